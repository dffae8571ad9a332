//! The params of a row policy.

use serde_json::Value;

use crate::Result;
use crate::param::{ParamField, ParamGroup, ParamMap};
use crate::policy::{HandleInvalid, RowPolicy};
use crate::spec::{Constraint, Default, ParamSpec, ParamType, Role};

impl ParamGroup for RowPolicy {
    fn specs() -> Vec<ParamSpec> {
        vec![
            ParamSpec {
                name: "handleInvalid",
                doc: "How to handle a row that cannot be processed, including one with a null: \"error\" fails with an error \
                      that names stage, column, row and cause; \"skip\" drops the row; \"keep\" keeps the row with a \
                      null result.",
                ty: ParamType::Str,
                default: Default::Value(Value::from("error")),
                optional: false,
                constraint: Constraint::OneOf(&["error", "skip", "keep"]),
                role: Role::Plain,
                accepts: &[],
                group: Some("RowPolicy"),
            },
            ParamSpec {
                name: "errorCol",
                doc: "Name of the string column to add with the reason why a row could not be processed; null for good rows.",
                ty: ParamType::Str,
                default: Default::None,
                optional: true,
                constraint: Constraint::NonEmpty,
                role: Role::ErrorOutput,
                accepts: &[],
                group: Some("RowPolicy"),
            },
        ]
    }

    fn from_params(params: &ParamMap) -> Result<Self> {
        let specs = Self::specs();
        let handle: String = params.get(&specs[0])?;
        let handle_invalid = match handle.as_str() {
            "skip" => HandleInvalid::Skip,
            "keep" => HandleInvalid::Keep,
            _ => HandleInvalid::Error,
        };
        Ok(Self { handle_invalid, error_col: <Option<String> as ParamField>::read(params, &specs[1])? })
    }

    fn row_policy(&self) -> Option<RowPolicy> {
        Some(self.clone())
    }
}
