//! The columns of a classifier.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::Float64Builder;
use arrow_schema::{DataType, Field, Schema};
use mmlrs_core::types::ML_ATTR_KEY;
use mmlrs_core::{
    Block, Column, Context, Error, FloatRows, HandleInvalid, Output, Result, ValueList, VectorType, columns_in_pieces,
    types,
};
use serde_json::{Value, json};

use super::Scorer;
use crate::columns::{ClassColumns, FeatureColumns};
use crate::features::{Features, check_features};

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
        check_features(name, types::field_of(input, name)?, self.scorer.input())?;
        let prediction = &self.features.prediction_col;
        let mut field = Field::new(prediction, DataType::Float64, true);
        if let Some(labels) = &self.labels {
            let attributes = json!({"type": "nominal", "vals": labels, "name": prediction});
            field = field.with_metadata(HashMap::from([(ML_ATTR_KEY.to_owned(), attributes.to_string())]));
        }
        let vectors = |name: &str| VectorType::Vector.field(name, self.scorer.outputs());
        Ok(vec![vectors(&self.names.raw_prediction_col), vectors(&self.names.probability_col), field])
    }

    /// Computes the columns.
    pub fn columns(&self, block: &Block, cx: &Context, policy: HandleInvalid) -> Result<Output> {
        let name = &self.features.features_col;
        let features = Features::new(block, name, self.scorer.input(), *cx)?;
        let size = self.scorer.outputs();
        let (columns, invalid) = columns_in_pieces(cx.threads, block.rows(), policy, |range, rejects| {
            let (mut raw, mut probability) = (FloatRows::new(range.len(), size)?, FloatRows::new(range.len(), size)?);
            let mut prediction = Float64Builder::with_capacity(range.len());
            let mut scratch = vec![0.0; size];
            self.scorer.run(name, &features, range, rejects, |place, outputs| {
                let Some(outputs) = outputs else { return prediction.append_null() };
                raw.fill(place).copy_from_slice(outputs);
                let probabilities = probability.fill(place);
                probabilities.copy_from_slice(outputs);
                self.scorer.predict(probabilities, &mut scratch);
                prediction.append_value(self.class(probabilities) as f64);
            })?;
            let vectors = |rows: FloatRows| rows.into_column(VectorType::Vector)?.to_arrow(cx);
            let columns: Vec<ArrayRef> = vec![vectors(raw)?, vectors(probability)?, Arc::new(prediction.finish())];
            Ok(columns)
        })?;
        let column = |(place, array)| {
            if place < 2 { Column::Arrow(array, types::vector_metadata(size)) } else { Column::arrow(array) }
        };
        Ok(Output { columns: columns.into_iter().enumerate().map(column).collect(), invalid })
    }

    /// The first class with the largest probability, divided by its threshold.
    fn class(&self, probabilities: &[f32]) -> usize {
        let scaled = |class: usize| {
            let threshold = self.names.thresholds.as_ref().map_or(1.0, |thresholds| thresholds[class]);
            let scaled = f64::from(probabilities[class]) / threshold;
            if scaled.is_nan() { f64::NEG_INFINITY } else { scaled }
        };
        (1..probabilities.len()).fold(0, |best, class| if scaled(class) > scaled(best) { class } else { best })
    }
}

/// Returns an error unless there is one threshold per class, none below 0 and at most one of 0.
fn check_thresholds(thresholds: Option<&[f64]>, classes: usize) -> Result<()> {
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
