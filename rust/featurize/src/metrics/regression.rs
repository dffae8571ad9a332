//! The errors of predicted numbers.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::json_number::json_of;

/// Weighted sums over the rows read so far.
#[derive(Debug, Default, Clone, Copy, Serialize, Deserialize)]
pub struct Errors {
    weight: f64,
    rows: u64,
    squared: f64,
    absolute: f64,
    /// Mean of the labels, and the weighted sum of their squared distances from it.
    mean: f64,
    spread: f64,
}

impl Errors {
    /// Number of rows.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Adds a row.
    #[inline]
    pub fn add(&mut self, label: f64, prediction: f64, weight: f64) {
        self.rows += 1;
        if weight == 0.0 {
            return;
        }
        let error = label - prediction;
        self.squared += weight * error * error;
        self.absolute += weight * error.abs();
        self.weight += weight;
        let distance = label - self.mean;
        self.mean += distance * (weight / self.weight);
        self.spread += weight * distance * (label - self.mean);
    }

    /// Adds the rows of another state.
    pub fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        let weight = self.weight + other.weight;
        if other.weight == 0.0 {
            return;
        }
        let distance = other.mean - self.mean;
        self.spread += other.spread + distance * distance * (self.weight * other.weight / weight);
        self.mean += distance * (other.weight / weight);
        self.weight = weight;
        self.squared += other.squared;
        self.absolute += other.absolute;
    }

    /// The coefficient of determination. For constant labels it is 1 if all predictions are equal to them, else 0.
    fn r2(&self) -> Option<f64> {
        if self.rows < 2 {
            return None;
        }
        Some(match (self.spread > 0.0, self.squared > 0.0) {
            (true, _) => 1.0 - self.squared / self.spread,
            (false, true) => 0.0,
            (false, false) => 1.0,
        })
    }

    /// The metrics by name; null without rows.
    pub fn metrics(&self) -> Value {
        let mean = |sum: f64| (self.weight > 0.0).then(|| sum / self.weight);
        let number = |value: Option<f64>| value.map(json_of).unwrap_or_default();
        json!({
            "evaluation_type": "regression",
            "rows": self.rows,
            "mean_squared_error": number(mean(self.squared)),
            "root_mean_squared_error": number(mean(self.squared).map(f64::sqrt)),
            "R^2": number(self.r2()),
            "mean_absolute_error": number(mean(self.absolute)),
        })
    }
}
