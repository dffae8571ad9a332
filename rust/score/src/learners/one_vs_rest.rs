//! One classifier per class.

use mmlrs_core::vector::VectorRow;
use serde::Deserialize;

use super::model::Model;

/// Models whose last raw value scores their class.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneVsRest {
    models: Vec<Model>,
}

impl OneVsRest {
    pub fn ready(self) -> Result<Self, String> {
        let models: Vec<Model> = self.models.into_iter().map(Model::ready).collect::<Result<_, _>>()?;
        if models.is_empty() { Err("it has no models".to_owned()) } else { Ok(Self { models }) }
    }

    pub fn outputs(&self) -> usize {
        self.models.len()
    }

    pub fn size(&self) -> Option<usize> {
        self.models.iter().find_map(Model::size)
    }

    pub fn least_size(&self) -> usize {
        self.models.iter().map(Model::least_size).max().unwrap_or(0)
    }

    pub fn row(&self, vector: VectorRow<'_>, out: &mut [f64]) -> Result<(), String> {
        for (model, out) in self.models.iter().zip(out) {
            let mut raw = vec![0.0; model.outputs()];
            model.row(vector, &mut raw)?;
            *out = raw[raw.len() - 1];
        }
        Ok(())
    }
}
