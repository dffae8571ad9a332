//! The columns of a classifier.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::Float64Builder;
use arrow_schema::{DataType, Field, Schema};
use mmlrs_core::types::ML_ATTR_KEY;
use mmlrs_core::vector::{VectorBuilder, Vectors, vector_struct_field};
use mmlrs_core::{Block, Column, Context, Error, HandleInvalid, Output, Result, ValueList, columns_in_pieces};
use serde_json::{Value, json};

use super::Scorer;
use crate::columns::{ClassColumns, FeatureColumns};

/// A classifier.
#[derive(Debug)]
pub struct Classes<'a> {
    scorer: Arc<Scorer>,
    features: &'a FeatureColumns,
    names: &'a ClassColumns,
    labels: Option<Vec<String>>,
}

impl<'a> Classes<'a> {
    /// Checks that the params fit the network.
    pub fn new(
        scorer: Arc<Scorer>,
        features: &'a FeatureColumns,
        names: &'a ClassColumns,
        labels: Option<&ValueList>,
    ) -> Result<Self> {
        let classes = scorer.outputs();
        check_thresholds(names.thresholds.as_deref(), classes)?;
        let labels: Option<Vec<String>> = labels.map(|labels| labels.0.iter().map(text_of).collect());
        if let Some(labels) = labels.as_ref().filter(|labels| labels.len() != classes) {
            let message = format!("must have one value per class, got {} for {classes} classes", labels.len());
            return Err(Error::param("labels", message));
        }
        Ok(Self { scorer, features, names, labels })
    }

    /// The columns to add.
    pub fn fields(&self, input: &Schema) -> Result<Vec<Field>> {
        let name = &self.features.features_col;
        super::check_features(name, input.field_with_name(name)?, self.scorer.inputs())?;
        let size = json!({"num_attrs": self.scorer.outputs()});
        let prediction = &self.features.prediction_col;
        let mut field = Field::new(prediction, DataType::Float64, true);
        if let Some(labels) = &self.labels {
            let attributes = json!({"type": "nominal", "vals": labels, "name": prediction});
            field = field.with_metadata(HashMap::from([(ML_ATTR_KEY.to_owned(), attributes.to_string())]));
        }
        Ok(vec![
            vector_struct_field(&self.names.raw_prediction_col, Some(&size)),
            vector_struct_field(&self.names.probability_col, Some(&size)),
            field,
        ])
    }

    /// Computes the columns.
    pub fn columns(&self, block: &Block, cx: &Context, policy: HandleInvalid) -> Result<Output> {
        let name = &self.features.features_col;
        let vectors = Vectors::from_array(name, &block.column(name)?.to_arrow(cx)?)?;
        let (columns, invalid) = columns_in_pieces(cx.threads, block.rows(), policy, |range, rejects| {
            let rows = range.len();
            let (mut raw, mut probability) = (VectorBuilder::with_capacity(rows), VectorBuilder::with_capacity(rows));
            let mut prediction = Float64Builder::with_capacity(rows);
            let mut values = vec![0.0; self.scorer.outputs()];
            self.scorer.run(name, &vectors, range, rejects, |outputs| {
                let Some(outputs) = outputs else {
                    raw.push_null();
                    probability.push_null();
                    return prediction.append_null();
                };
                values.iter_mut().zip(outputs).for_each(|(value, output)| *value = f64::from(*output));
                raw.push_dense(&values);
                softmax(&mut values);
                probability.push_dense(&values);
                prediction.append_value(self.class(&values) as f64);
            })?;
            let columns: Vec<ArrayRef> =
                vec![Arc::new(raw.finish()?), Arc::new(probability.finish()?), Arc::new(prediction.finish())];
            Ok(columns)
        })?;
        Ok(Output { columns: columns.into_iter().map(Column::arrow).collect(), invalid })
    }

    /// The first class with the largest probability, divided by its threshold.
    fn class(&self, probabilities: &[f64]) -> usize {
        let scaled = |class: usize| {
            let threshold = self.names.thresholds.as_ref().map_or(1.0, |thresholds| thresholds[class]);
            let scaled = probabilities[class] / threshold;
            if scaled.is_nan() { f64::NEG_INFINITY } else { scaled }
        };
        (1..probabilities.len()).fold(0, |best, class| if scaled(class) > scaled(best) { class } else { best })
    }
}

/// Returns an error unless there is one threshold per class, none below 0 and at most one of 0.
pub fn check_thresholds(thresholds: Option<&[f64]>, classes: usize) -> Result<()> {
    let Some(thresholds) = thresholds else { return Ok(()) };
    let zeros = thresholds.iter().filter(|threshold| **threshold == 0.0).count();
    if thresholds.len() == classes && thresholds.iter().all(|threshold| *threshold >= 0.0) && zeros <= 1 {
        return Ok(());
    }
    let message =
        format!("must have one number per class ({classes}), at least 0 and only one of them 0, got {thresholds:?}");
    Err(Error::param("thresholds", message))
}

/// The text of a level.
fn text_of(level: &Value) -> String {
    level.as_str().map_or_else(|| level.to_string(), str::to_owned)
}

/// Replaces values by their softmax.
fn softmax(values: &mut [f64]) {
    let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    values.iter_mut().for_each(|value| *value = (*value - largest).exp());
    let sum: f64 = values.iter().sum();
    values.iter_mut().for_each(|value| *value /= sum);
}
