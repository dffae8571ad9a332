//! `ImageSetAugmenter`.

use mmlrs_core::{HasSample, Sample};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::sample::image_rows;

/// Adds flipped copies of every image: the union of the original rows and one copy of them per flip.
///
/// The number of rows is multiplied by one plus the number of flips. The original rows come first, then the left-right flips,
/// then the up-down flips. The other columns are repeated. On Spark each copy reads the source again, so cache a source that is
/// costly to read.
#[derive(Debug, Clone, PartialEq, Eq, Stage)]
#[stage(
    module = "image",
    body = python,
    rows = changed,
    example = r#"
import pyarrow as pa
from mmlrs.image import ImageSetAugmenter
from mmlrs.testing import sample_image
table = pa.table({"id": [1], "image": [sample_image("png")]})
out = ImageSetAugmenter(outputCol="augmented", flipUpDown=True).transform(table)
assert out["id"].to_pylist() == [1, 1, 1]
"#
)]
pub struct ImageSetAugmenter {
    /// Name of the column of images or encoded image bytes.
    #[param(default = "image", non_empty, role = input, accepts(image, binary, binary_file))]
    pub input_col: String,
    /// Name of the image column to add.
    #[param(default = uid("_output"), non_empty, role = output)]
    pub output_col: String,
    /// Add a copy of every row with the image mirrored left to right.
    #[param(default = true)]
    pub flip_left_right: bool,
    /// Add a copy of every row with the image mirrored top to bottom.
    #[param(default = false)]
    pub flip_up_down: bool,
    /// How to handle a row whose image cannot be read.
    #[param(group)]
    pub rows: mmlrs_core::RowPolicy,
}

impl HasSample for ImageSetAugmenter {
    fn sample() -> Sample {
        Sample::new(json!({"outputCol": "augmented", "flipUpDown": true}), image_rows())
    }
}
