//! `SequenceGrouper`.

use mmlrs_core::{HasSample, Sample};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::sample::burst_rows;

/// Groups pictures into sequences: those of one location, each taken soon after the one before it.
///
/// A camera trap takes several pictures of a visit, and what is learned from one of them holds for all. A picture belongs to the
/// sequence of the picture before it if it has the same location and was taken at most `gapSeconds` later. Pictures taken at
/// the same time belong together.
///
/// The column holds the name of the sequence: the location, "@" and the time of its first picture, as in
/// "ridge 4@2024-05-31T18:00:59"; timestamps with a time zone are written in UTC, with a "Z". It does not depend on other locations, nor on pictures that were taken long before or after.
///
/// A row with a null location, or without a valid time, is a sequence of its own: the location, "?" and its value of `idCol`. If
/// `idCol` is not set, or null, its sequence is null, so set `idCol` before you group by the sequence.
///
/// On Spark it costs one shuffle by location, and the rows of one location are sorted in one task.
#[derive(Debug, Clone, PartialEq, Stage)]
#[stage(
    module = "image",
    body = python,
    example = r#"
import pyarrow as pa
from mmlrs.image import SequenceGrouper
times = ["2024-05-31 18:00:59", "2024-05-31 18:01:30", "2024-05-31 18:10:00"]
table = pa.table({"camera": ["A", "A", "A"], "time": times})
out = SequenceGrouper(locationCol="camera", timeCol="time", outputCol="sequence").transform(table)
assert out["sequence"].to_pylist() == [f"A@2024-05-31T{time}" for time in ("18:00:59", "18:00:59", "18:10:00")]
"#
)]
pub struct SequenceGrouper {
    /// Name of the column of locations: strings or integers.
    #[param(required, non_empty, role = input, accepts(any))]
    pub location_col: String,
    /// Name of the column of times: timestamps, or strings like "2024-05-31 18:00:59" or "2024:05:31 18:00:59", with a fraction or
    /// without. A string of another form, such as one with a time zone, and a year before 1 are not valid times.
    #[param(required, non_empty, role = input, accepts(any))]
    pub time_col: String,
    /// Name of a column that tells the pictures of all locations apart, such as their path: strings or integers.
    #[param(non_empty, role = input, accepts(any))]
    pub id_col: Option<String>,
    /// Maximum number of seconds between a picture and the one before it.
    #[param(default = 60.0, range(0, 1_000_000_000))]
    pub gap_seconds: f64,
    /// Name of the string column to add.
    #[param(default = uid("_output"), non_empty, role = output)]
    pub output_col: String,
}

impl HasSample for SequenceGrouper {
    fn sample() -> Sample {
        Sample::new(json!({"locationCol": "camera", "timeCol": "time"}), burst_rows())
    }
}
