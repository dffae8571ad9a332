//! `ComputePerInstanceStatistics`.

use std::sync::Arc;

use arrow_array::builder::Float64Builder;
use arrow_array::{Array, ArrayRef, Float64Array};
use arrow_schema::{DataType, Field, Schema};
use mmlrs_core::{
    Block, Column, Context, Error, HasSample, Output, Rejects, Result, RowPolicy, Sample, Transform, ValueList, doubles,
};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::metrics::classes::{Cell, Classes, MISSING, unseen};
use crate::metrics::kinds::Kind;
use crate::metrics::scores::{Scores, negative_log, probability_of};

/// Computes the error of each prediction.
///
/// For regression it adds `L1_loss`, the absolute error, and `L2_loss`, the squared error. For classification it adds
/// `log_loss`: the negative logarithm of the probability that the model gave to the true label, clipped to 2.2e-16 as in
/// scikit-learn. Columns scored by a model of `TrainClassifier` or `TrainRegressor` need not be named. For other data the
/// classes are found in one extra pass and are in ascending order, as in `ComputeModelStatistics`. For a stream they must be
/// given in `labels`.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "train",
    body = extended,
    example = r#"import pyarrow as pa
from mmlrs.train import ComputePerInstanceStatistics

scored = pa.table({"price": [10.0, 12.0], "prediction": [11.0, 9.0]})
losses = ComputePerInstanceStatistics(
    evaluationMetric="regression", labelCol="price", scoredLabelsCol="prediction"
).transform(scored)
assert losses["L1_loss"].to_pylist() == [1.0, 3.0]
assert losses["L2_loss"].to_pylist() == [1.0, 9.0]
"#
)]
pub struct ComputePerInstanceStatistics {
    /// The kind of prediction. "all" takes it from the columns' metadata.
    #[param(default = "all", one_of("all", "classification", "regression"))]
    evaluation_metric: String,
    /// Name of the column of true labels. If not set, taken from the columns' metadata.
    #[param(non_empty, role = input, accepts(any))]
    label_col: Option<String>,
    /// For classification: name of the column of probabilities, vectors with one for each class, or numbers, the probability of
    /// the second of two classes. If not set, taken from the columns' metadata.
    #[param(non_empty, role = input, accepts(numeric, sparse_vector))]
    scores_col: Option<String>,
    /// For regression: name of the column of predictions. If not set, taken from the columns' metadata.
    #[param(non_empty, role = input, accepts(numeric))]
    scored_labels_col: Option<String>,
    /// For classification: the values of the label column in the order of the class indices. If not set, taken from the
    /// columns' metadata. Without metadata they are the values that occur, in the order that the column's type declares, else
    /// ascending.
    #[param(non_empty)]
    labels: Option<ValueList>,
    #[param(group)]
    policy: RowPolicy,
}

impl ComputePerInstanceStatistics {
    /// The columns to read: the labels, and the scores or predictions.
    fn columns<'a>(&'a self) -> Result<(&'a str, &'a str)> {
        let set = |value: &'a Option<String>, name| value.as_deref().ok_or_else(|| Error::param(name, "must be set"));
        let other = if self.is_regression() {
            set(&self.scored_labels_col, "scoredLabelsCol")?
        } else {
            set(&self.scores_col, "scoresCol")?
        };
        Ok((set(&self.label_col, "labelCol")?, other))
    }

    fn is_regression(&self) -> bool {
        self.evaluation_metric == "regression"
    }

    fn errors(&self, label: (&str, &ArrayRef), prediction: (&str, &ArrayRef)) -> Result<Output> {
        let (truth, predicted) = (doubles(label.0, label.1)?, doubles(prediction.0, prediction.1)?);
        let mut rejects = Rejects::new(self.policy.handle_invalid);
        let mut absolute = Float64Builder::with_capacity(truth.len());
        let mut squared = Float64Builder::with_capacity(truth.len());
        for row in 0..truth.len() {
            let missing = |values: &Float64Array| values.is_null(row) || values.value(row).is_nan();
            let error = if missing(&truth) {
                rejects.reject_cell(row, label.0, MISSING)?;
                None
            } else if missing(&predicted) {
                rejects.reject_cell(row, prediction.0, MISSING)?;
                None
            } else {
                Some(truth.value(row) - predicted.value(row))
            };
            absolute.append_option(error.map(f64::abs));
            squared.append_option(error.map(|e| e * e));
        }
        let columns = [absolute.finish(), squared.finish()].map(|array| Column::arrow(Arc::new(array))).into();
        Ok(Output { columns, invalid: rejects.into_rows() })
    }

    fn log_loss(&self, label: (&str, &ArrayRef), scores: (&str, &ArrayRef)) -> Result<Output> {
        let mut classes = Classes::default();
        let cells = classes.cells(label.0, label.1, self.labels.as_ref().map(|labels| labels.0.as_slice()))?;
        let labels = self.labels.as_ref().map(|labels| labels.0.len());
        let scores_of = Scores::new(scores.0, scores.1)?;
        let mut rejects = Rejects::new(self.policy.handle_invalid);
        let mut losses = Float64Builder::with_capacity(cells.len());
        for (row, cell) in cells.into_iter().enumerate() {
            let probability = match (cell, scores_of.at(row)) {
                (Cell::Missing, _) => Err((label.0, MISSING.to_owned())),
                (Cell::Unseen, _) => Err((label.0, unseen(label.1, row))),
                (_, None) => Err((scores.0, MISSING.to_owned())),
                (Cell::Class(class), Some(score)) => match probability_of(classes.class(class), score, labels) {
                    Ok(Some(probability)) => Ok(probability),
                    Ok(None) => Err((scores.0, "does not hold probabilities".to_owned())),
                    Err(cause) => Err((scores.0, cause)),
                },
            };
            if let Err((column, cause)) = &probability {
                rejects.reject_cell(row, column, cause)?;
            }
            losses.append_option(probability.ok().map(negative_log));
        }
        Ok(Output { columns: vec![Column::arrow(Arc::new(losses.finish()))], invalid: rejects.into_rows() })
    }
}

impl Transform for ComputePerInstanceStatistics {
    fn output_fields(&self, input: &Schema) -> Result<Vec<Field>> {
        let (label, other) = self.columns()?;
        let label = input.field_with_name(label)?;
        if self.is_regression() {
            Kind::check_number(label)?;
            Kind::check_number(input.field_with_name(other)?)?;
        } else {
            Kind::of(label.name(), label.data_type())?;
        }
        let names: &[&str] = if self.is_regression() { &["L1_loss", "L2_loss"] } else { &["log_loss"] };
        Ok(names.iter().map(|name| Field::new(*name, DataType::Float64, true)).collect())
    }

    fn transform(&self, block: &Block, cx: &Context) -> Result<Output> {
        let (label, other) = self.columns()?;
        let (truth, predictions) = (block.column(label)?.to_arrow(cx)?, block.column(other)?.to_arrow(cx)?);
        if self.is_regression() {
            self.errors((label, &truth), (other, &predictions))
        } else {
            self.log_loss((label, &truth), (other, &predictions))
        }
    }
}

impl HasSample for ComputePerInstanceStatistics {
    fn sample() -> Sample {
        let params = json!({
            "evaluationMetric": "classification",
            "labelCol": "label",
            "scoresCol": "probability",
        });
        Sample::new(params, crate::sample::scored_batch())
    }
}
