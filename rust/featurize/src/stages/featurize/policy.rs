//! The row policy of `Featurize` and its model.

use mmlrs_core::{ParamGroup, ParamMap, ParamSpec, Result, RowPolicy};

/// A row policy in which `keep` keeps what is there.
#[derive(Debug, Clone)]
pub struct FeaturizePolicy(pub RowPolicy);

impl ParamGroup for FeaturizePolicy {
    fn specs() -> Vec<ParamSpec> {
        let mut specs = RowPolicy::specs();
        specs[0].doc = "What to do with a row that has a missing value where missing ones are not replaced, a vector of \
                        another size, or, with unseenCategories=\"error\", a level that was not there in the fit: \
                        \"error\" fails with one error that names stage, column and row; \"skip\" drops the row; \
                        \"keep\" puts NaN into the slots of what is missing and no level, or the index behind the last \
                        one, for what is unknown.";
        specs[1].doc = "Name of a string column to add that holds what was wrong with a row; null for good rows.";
        specs
    }

    fn from_params(params: &ParamMap) -> Result<Self> {
        RowPolicy::from_params(params).map(Self)
    }

    fn row_policy(&self) -> Option<RowPolicy> {
        Some(self.0.clone())
    }
}
