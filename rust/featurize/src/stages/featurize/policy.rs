//! The row policy of `Featurize` and its model.

use mmlrs_core::{ParamGroup, ParamMap, ParamSpec, Result, RowPolicy};

/// A row policy in which `keep` keeps the present values.
#[derive(Debug, Clone)]
pub struct FeaturizePolicy(pub RowPolicy);

impl ParamGroup for FeaturizePolicy {
    fn specs() -> Vec<ParamSpec> {
        let mut specs = RowPolicy::specs();
        specs[0].doc = "How to handle a row with a missing value that is not replaced, a vector of \
                        the wrong size, or, with unseenCategories=\"error\", a level that did not occur in the fit: \
                        \"error\" fails with an error that names stage, column and row; \"skip\" drops the row; \
                        \"keep\" fills missing slots with NaN, and gives an unseen level no level or the index after the last \
                        one.";
        specs[1].doc = "Name of the string column to add with the error of a row; null for good rows.";
        specs
    }

    fn from_params(params: &ParamMap) -> Result<Self> {
        RowPolicy::from_params(params).map(Self)
    }

    fn row_policy(&self) -> Option<RowPolicy> {
        Some(self.0.clone())
    }
}
