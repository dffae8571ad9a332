//! `ComputeModelStatistics`: the quality of predictions.

use arrow_array::{Array, ArrayRef, Float64Array};
use arrow_schema::{Field, Schema};
use mmlrs_core::{
    Aggregate, Block, Context, Error, HasSample, Judged, METRICS, Result, Sample, Summarize, ValueList, doubles, fatal,
    metric, metric_names,
};
use mmlrs_macros::Stage;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::attributes::{attributes_of, declared_values};
use crate::metrics::classes::{Cell, Class, MISSING, class_of, unseen};
use crate::metrics::classification::Counts;
use crate::metrics::kinds::Kind;
use crate::metrics::regression::Errors;
use crate::metrics::scored::Batch;
use crate::metrics::scores::Scores;

/// The metrics that users can request.
const CHOICES: [&str; METRICS.len() + 3] = metric_names(["all", "classification", "regression"]);

/// Computes metrics of predictions, as one row.
///
/// All classification metrics have the values of scikit-learn. They are `confusion_matrix` (a row for each label, a column for
/// each prediction, in the order of `labels`) and `accuracy`; `precision`, `recall` and `f1_score` of the second of two
/// classes, micro-averaged for more classes; and their averages `macro_averaged_...` and `weighted_...`. With scores there is
/// also `log_loss`, and for two classes `AUC` (area under the ROC curve), `areaUnderPR` (average precision) and `curve`. The
/// regression metrics are `mean_squared_error`, `root_mean_squared_error`, `R^2` and `mean_absolute_error`. `rows` is the
/// number of evaluated rows.
///
/// Columns scored by a model of `TrainClassifier` or `TrainRegressor` need not be named. `AUC` and `areaUnderPR` are exact:
/// every distinct score counts, including ties. `curve` is thinned to `curvePoints` points, each with `threshold`,
/// `false_positive_rate`, `true_positive_rate` (the recall) and `precision`. A metric that is not defined is null, such as
/// `AUC` if all rows have the same label, or `log_loss` if scores are not probabilities. An empty dataset is an error.
///
/// Labels can be strings, numbers, booleans, dates or timestamps. Predictions must be of the same kind: strings cannot be
/// compared with numbers. Classes are in ascending order, as in scikit-learn, and the second of two classes is the positive
/// one: "yes" of "no" and "yes", 1 of -1 and 1. Scores that are vectors are in the order of the classes. If the labels are
/// integers below the number of slots, they are the indices of the slots.
///
/// On Spark this is one job, which runs when `transform` is called. Each partition sorts its scores, using 24 bytes for each
/// distinct one, and one task merges the results of the partitions. No rows are sent to the driver. Vectors of more than two
/// scores need a second job if the labels are not indices of slots, unless `labels` is set.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "train",
    body = extended,
    kind = summary,
    accepts_nulls = "rows are counted or left out; no row is kept",
    requires_rows = "no rows have no metrics",
    example = r#"import pyarrow as pa
from mmlrs.train import ComputeModelStatistics

scored = pa.table({"label": [0, 1, 1, 0], "prediction": [0, 1, 0, 0], "score": [0.1, 0.9, 0.4, 0.2]})
statistics = ComputeModelStatistics(
    evaluationMetric="classification", labelCol="label", scoredLabelsCol="prediction", scoresCol="score"
)
row = statistics.transform(scored).to_pylist()[0]
assert (row["accuracy"], row["recall"], row["AUC"]) == (0.75, 0.5, 1.0)
"#
)]
pub struct ComputeModelStatistics {
    /// The metrics to compute: "classification", "regression", "all" for those that the columns' metadata indicates, or a single
    /// metric.
    #[param(default = "all", one_of(&CHOICES))]
    evaluation_metric: String,
    /// Name of the column of true labels. If not set, taken from the columns' metadata.
    #[param(non_empty, role = input, accepts(any))]
    label_col: Option<String>,
    /// Name of the column of scores: vectors with one score for each class, or numbers, the score of the second of two classes.
    /// Probabilities also give `log_loss`. If not set, taken from the columns' metadata.
    #[param(non_empty, role = input, accepts(numeric, sparse_vector))]
    scores_col: Option<String>,
    /// Name of the column of predictions. If not set, taken from the columns' metadata.
    #[param(non_empty, role = input, accepts(any))]
    scored_labels_col: Option<String>,
    /// Name of the column of weights, at least 0. If not set, all rows have the same weight.
    #[param(non_empty, role = input, accepts(numeric))]
    weight_col: Option<String>,
    /// The values of the label column in the order of the class indices. If not set, taken from the columns' metadata. Without
    /// metadata they are in the order that the column's type declares (a pandas category, for instance), else ascending.
    /// Predicted numbers are class indices if the labels are not numbers or if the column of predictions is marked as nominal,
    /// as Spark ML models do. Otherwise they are labels.
    #[param(non_empty)]
    labels: Option<ValueList>,
    /// Approximate maximum number of points of the curve.
    #[param(default = 1000, range(2, 1_000_000))]
    curve_points: usize,
    /// How to handle a row in which a label, prediction, score or weight is null or NaN, or whose label is not in `labels`:
    /// "error" fails with an error that names stage, column, row and cause; "skip" leaves the row out.
    #[param(default = "error", one_of("error", "skip"))]
    handle_invalid: String,
}

/// The state of the rows read so far.
#[derive(Debug, Serialize, Deserialize)]
pub enum Statistics {
    /// For predicted classes.
    Classification(Box<Counts>),
    /// For predicted numbers.
    Regression(Errors),
}

impl Statistics {
    fn rows(&self) -> u64 {
        match self {
            Self::Classification(counts) => counts.rows(),
            Self::Regression(errors) => errors.rows(),
        }
    }
}

impl ComputeModelStatistics {
    fn label(&self) -> Result<&str> {
        self.label_col.as_deref().ok_or_else(|| Error::param("labelCol", "must be set"))
    }

    /// Whether metrics of regression are requested.
    fn is_regression(&self) -> bool {
        let regression = Judged::Regression;
        let requested = self.evaluation_metric.as_str();
        requested == regression.name() || metric(requested).is_some_and(|metric| metric.of == regression)
    }

    fn labels(&self) -> Option<&[Value]> {
        self.labels.as_ref().map(|labels| labels.0.as_slice())
    }

    /// Returns an error for a bad row, or nothing if the row is left out.
    fn reject(&self, column: &str, row: usize, cause: &str) -> Result<()> {
        if self.handle_invalid == "skip" {
            return Ok(());
        }
        Err(fatal(Error::decode(cause).at_column(column), row))
    }

    /// The state before the first row of a classification. The columns must be comparable.
    fn new_counts(&self, label: &Field, input: &Schema) -> Result<Counts> {
        let kind = Kind::of(label.name(), label.data_type())?;
        let scores = self.scores_col.is_some();
        let declared: Vec<Class> = declared_values(label)
            .unwrap_or_default()
            .iter()
            .filter_map(|value| class_of(value, kind != Kind::Number))
            .collect();
        let Some(prediction) = &self.scored_labels_col else {
            return Ok(Counts::new(scores, false).with_declared(declared));
        };
        let prediction = input.field_with_name(prediction)?;
        let numbers = Kind::of(prediction.name(), prediction.data_type())? == Kind::Number;
        if self.labels.is_none() {
            Kind::check_comparable(label, prediction)?;
        }
        let nominal =
            attributes_of(prediction).is_some_and(|a| a.get("type").and_then(Value::as_str) == Some("nominal"));
        Ok(Counts::new(scores, numbers && (nominal || kind != Kind::Number)).with_declared(declared))
    }

    /// The classes of the predictions of a batch.
    fn predictions<'a>(&'a self, counts: &mut Counts, block: &Block, cx: Context) -> Result<Option<Predictions<'a>>> {
        let Some(column) = self.scored_labels_col.as_deref() else { return Ok(None) };
        let array = block.column(column)?.to_arrow(&cx)?;
        let labels = if counts.places() { None } else { self.labels() };
        let cells = counts.classes_mut().cells(column, &array, labels)?;
        Ok(Some(Predictions { column, array, cells }))
    }

    fn update_counts(&self, counts: &mut Counts, block: &Block, cx: Context) -> Result<()> {
        let array = |name: &str| -> Result<ArrayRef> { block.column(name)?.to_arrow(&cx) };
        let name = self.label()?;
        let label_array = array(name)?;
        let labels = counts.classes_mut().cells(name, &label_array, self.labels())?;
        let predictions = self.predictions(counts, block, cx)?;
        let scores = self.scores_col.as_ref().map(|c| Ok::<_, Error>((c, Scores::new(c, &array(c)?)?))).transpose()?;
        let weights = self.weights(block, cx)?;
        let mut batch = Batch::default();
        for (row, label) in labels.into_iter().enumerate() {
            let label = match label {
                Cell::Class(label) => label,
                Cell::Missing => {
                    self.reject(name, row, MISSING)?;
                    continue;
                }
                Cell::Unseen => {
                    self.reject(name, row, &unseen(&label_array, row))?;
                    continue;
                }
            };
            let prediction = match &predictions {
                None => None,
                Some(predictions) => {
                    let Cell::Class(prediction) = predictions.cells[row] else {
                        self.reject(predictions.column, row, &predictions.flaw(row))?;
                        continue;
                    };
                    Some(prediction)
                }
            };
            let Some(weight) = self.weight(weights.as_ref(), row)? else { continue };
            if let Some((column, scores)) = &scores {
                let Some(score) = scores.at(row) else {
                    self.reject(column, row, MISSING)?;
                    continue;
                };
                if let Err(cause) = counts.add_score(label, score, weight, self.labels.is_some(), &mut batch) {
                    self.reject(column, row, &cause)?;
                    continue;
                }
            }
            counts.add(label, prediction, weight);
        }
        counts.finish_batch(batch);
        Ok(())
    }

    fn update_errors(&self, errors: &mut Errors, block: &Block, cx: Context) -> Result<()> {
        let numbers = |name: &str| doubles(name, &block.column(name)?.to_arrow(&cx)?);
        let (label, prediction) = (self.label()?, self.prediction()?);
        let (truth, predicted) = (numbers(label)?, numbers(prediction)?);
        let weights = self.weights(block, cx)?;
        for row in 0..block.rows() {
            let missing = [(label, &truth), (prediction, &predicted)]
                .into_iter()
                .find(|(_, values)| values.is_null(row) || values.value(row).is_nan());
            if let Some((column, _)) = missing {
                self.reject(column, row, MISSING)?;
                continue;
            }
            if let Some(weight) = self.weight(weights.as_ref(), row)? {
                errors.add(truth.value(row), predicted.value(row), weight);
            }
        }
        Ok(())
    }

    fn prediction(&self) -> Result<&str> {
        self.scored_labels_col.as_deref().ok_or_else(|| Error::param("scoredLabelsCol", "must be set"))
    }

    fn weights(&self, block: &Block, cx: Context) -> Result<Option<(&str, Float64Array)>> {
        let Some(column) = self.weight_col.as_deref() else { return Ok(None) };
        Ok(Some((column, doubles(column, &block.column(column)?.to_arrow(&cx)?)?)))
    }

    /// The weight of a row; None if the row is left out.
    fn weight(&self, weights: Option<&(&str, Float64Array)>, row: usize) -> Result<Option<f64>> {
        let Some((column, weights)) = weights else { return Ok(Some(1.0)) };
        let weight = if weights.is_null(row) { f64::NAN } else { weights.value(row) };
        if weight >= 0.0 && weight.is_finite() {
            return Ok(Some(weight));
        }
        let cause =
            if weight.is_nan() { MISSING.to_owned() } else { format!("is {weight}, which is not a valid weight") };
        self.reject(column, row, &cause)?;
        Ok(None)
    }
}

/// The predictions of a batch.
struct Predictions<'a> {
    column: &'a str,
    array: ArrayRef,
    cells: Vec<Cell>,
}

impl Predictions<'_> {
    /// The error for a row without a class.
    fn flaw(&self, row: usize) -> String {
        if self.cells[row] == Cell::Missing { MISSING.to_owned() } else { unseen(&self.array, row) }
    }
}

impl Aggregate for ComputeModelStatistics {
    type State = Statistics;

    fn new_state(&self, input: &Schema) -> Result<Statistics> {
        let label = input.field_with_name(self.label()?)?;
        if self.is_regression() {
            Kind::check_number(label)?;
            Kind::check_number(input.field_with_name(self.prediction()?)?)?;
            return Ok(Statistics::Regression(Errors::default()));
        }
        if self.scored_labels_col.is_none() && self.scores_col.is_none() {
            return Err(Error::param("scoredLabelsCol", "or `scoresCol` must be set"));
        }
        Ok(Statistics::Classification(Box::new(self.new_counts(label, input)?)))
    }

    fn update(&self, state: &mut Statistics, block: &Block, cx: &Context) -> Result<()> {
        match state {
            Statistics::Classification(counts) => self.update_counts(counts, block, *cx),
            Statistics::Regression(errors) => self.update_errors(errors, block, *cx),
        }
    }

    fn merge(&self, state: &mut Statistics, other: Statistics) -> Result<()> {
        match (state, other) {
            (Statistics::Classification(own), Statistics::Classification(other)) => own.merge(*other),
            (Statistics::Regression(own), Statistics::Regression(other)) => {
                own.merge(&other);
                Ok(())
            }
            _ => Err(Error::runtime("statistics of different kinds cannot be merged")),
        }
    }

    /// With scores the state holds every distinct score.
    fn grows(&self) -> bool {
        self.scores_col.is_some()
    }
}

impl Summarize for ComputeModelStatistics {
    fn finish(&self, state: Statistics) -> Result<Map<String, Value>> {
        if state.rows() == 0 {
            let detail =
                if self.handle_invalid == "skip" { ", or handleInvalid=\"skip\" left out all rows" } else { "" };
            return Err(Error::decode(format!("there are no rows to evaluate: the dataset is empty{detail}")));
        }
        let metrics = match state {
            Statistics::Regression(errors) => errors.metrics(),
            Statistics::Classification(counts) => {
                let texts = self.labels().map(|labels| {
                    labels.iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect::<Vec<_>>()
                });
                counts.metrics(texts.as_deref(), self.scored_labels_col.is_some(), self.curve_points)?
            }
        };
        match metrics {
            Value::Object(metrics) => Ok(metrics),
            _ => Err(Error::runtime("metrics must be a map")),
        }
    }
}

impl HasSample for ComputeModelStatistics {
    fn sample() -> Sample {
        let params = json!({
            "evaluationMetric": "classification",
            "labelCol": "label",
            "scoredLabelsCol": "prediction",
            "scoresCol": "probability",
        });
        Sample::new(params, crate::sample::scored_batch())
    }
}
