//! The mapping of columns to inputs, and of outputs to columns.

use mmlrs_core::{Error, Result, StrMap};

use crate::graph::cut::quoted;
use crate::graph::info::{ModelInfo, ValueInfo};

fn names(values: &[ValueInfo]) -> Vec<String> {
    values.iter().map(|v| v.name.clone()).collect()
}

/// The columns to compute: `(new column, output or internal tensor)`. `is_tensor` recognizes internal tensors.
pub fn fetches(
    model: &ModelInfo,
    fetch_dict: Option<&StrMap>,
    output_col: Option<&str>,
    is_tensor: &dyn Fn(&str) -> bool,
) -> Result<Vec<(String, String)>> {
    if let Some(dict) = fetch_dict {
        if output_col.is_some() {
            return Err(Error::param("outputCol", "cannot be set together with fetchDict"));
        }
        if dict.0.is_empty() {
            return Err(Error::param(
                "fetchDict",
                format!(
                    "is empty, so there is nothing to compute; name at least one of the outputs {}, or leave it unset for all",
                    quoted(&names(&model.outputs))
                ),
            ));
        }
        if let Some((column, tensor)) = dict.0.iter().find(|(c, t)| !is_tensor(t) && is_tensor(c)) {
            return Err(Error::param(
                "fetchDict",
                format!(
                    "maps new column -> model output, but `{column}` is an output of the model and `{tensor}` is not; \
                     write {{\"{tensor}\": \"{column}\"}}"
                ),
            ));
        }
        return Ok(dict.0.clone());
    }
    match (output_col, model.outputs.as_slice()) {
        (Some(column), [output]) => Ok(vec![(column.to_owned(), output.name.clone())]),
        (Some(_), outputs) => Err(Error::param(
            "outputCol",
            format!("needs a model with one output, got {}; use fetchDict", quoted(&names(outputs))),
        )),
        (None, outputs) => Ok(outputs.iter().map(|o| (o.name.clone(), o.name.clone())).collect()),
    }
}

/// The inputs to feed: `(model input, column)`, for the inputs that `needed` (the cut model) has. `full_model` is the model before
/// the cut, if it is known. Feeding an input that was removed by the cut is allowed.
pub fn feeds(
    full_model: Option<&ModelInfo>,
    needed: &ModelInfo,
    feed_dict: Option<&StrMap>,
    input_col: Option<&str>,
) -> Result<Vec<(String, String)>> {
    let Some(dict) = feed_dict else {
        return match (input_col, needed.inputs.as_slice()) {
            (Some(column), [input]) => Ok(vec![(input.name.clone(), column.to_owned())]),
            (Some(_), inputs) => Err(Error::param(
                "inputCol",
                format!("needs a model with one input, got {}; use feedDict", quoted(&names(inputs))),
            )),
            (None, inputs) => Ok(inputs.iter().map(|i| (i.name.clone(), i.name.clone())).collect()),
        };
    };
    if input_col.is_some() {
        return Err(Error::param("inputCol", "cannot be set together with feedDict"));
    }
    for (input, column) in dict.0.iter().filter(|_| full_model.is_some()) {
        let Some(full_model) = full_model else { continue };
        if full_model.input(input).is_some() {
            continue;
        }
        return Err(Error::param(
            "feedDict",
            if full_model.input(column).is_some() {
                format!(
                    "maps model input -> column, but `{column}` is an input of the model and `{input}` is not; write \
                     {{\"{column}\": \"{input}\"}}"
                )
            } else {
                format!(
                    "names `{input}`, which is not an input of the model; its inputs are {}",
                    quoted(&names(&full_model.inputs))
                )
            },
        ));
    }
    needed
        .inputs
        .iter()
        .map(|input| {
            let column = dict.0.iter().find(|(i, _)| *i == input.name).map(|(_, c)| c.clone());
            column.map(|c| (input.name.clone(), c)).ok_or_else(|| {
                Error::param("feedDict", format!("lacks the model input `{}`, a {}", input.name, input.kind.words()))
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use onnx_protobuf::{Message, ModelProto};

    use super::*;

    fn info() -> ModelInfo {
        ModelInfo::from_proto(&ModelProto::parse_from_bytes(&crate::sample::sample_model()).expect("the sample parses"))
    }

    fn map(pairs: &[(&str, &str)]) -> StrMap {
        StrMap(pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect())
    }

    fn message<T>(result: Result<T>) -> String {
        result.err().map(|e| e.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_feed_dict_the_wrong_way_round_is_told_so() {
        let swapped = message(feeds(Some(&info()), &info(), Some(&map(&[("numbers", "x")])), None));
        assert!(swapped.contains("write {\"x\": \"numbers\"}"), "{swapped}");
        let unknown = message(feeds(Some(&info()), &info(), Some(&map(&[("a", "b")])), None));
        assert!(unknown.contains("its inputs are `x`"), "{unknown}");
        let missing = message(feeds(Some(&info()), &info(), Some(&map(&[])), None));
        assert!(missing.contains("lacks the model input `x`, a float32[N, 4]"), "{missing}");
    }

    #[test]
    fn a_fetch_dict_the_wrong_way_round_is_told_so() {
        let is_tensor = |name: &str| ["scores", "features"].contains(&name);
        let swapped = message(fetches(&info(), Some(&map(&[("scores", "p")])), None, &is_tensor));
        assert!(swapped.contains("write {\"p\": \"scores\"}"), "{swapped}");
        let right = fetches(&info(), Some(&map(&[("p", "features")])), None, &is_tensor);
        assert_eq!(right, Ok(vec![("p".to_owned(), "features".to_owned())]));
    }

    #[test]
    fn an_empty_fetch_dict_is_refused() {
        let empty = message(fetches(&info(), Some(&map(&[])), None, &|_| true));
        assert!(empty.contains("param `fetchDict` is empty") && empty.contains("`scores`"), "{empty}");
    }

    #[test]
    fn one_input_and_one_output_need_no_dicts() {
        let pair = |a: &str, b: &str| Ok(vec![(a.to_owned(), b.to_owned())]);
        assert_eq!(feeds(Some(&info()), &info(), None, Some("numbers")), pair("x", "numbers"));
        assert_eq!(feeds(Some(&info()), &info(), None, None), pair("x", "x"));
        assert_eq!(fetches(&info(), None, Some("p"), &|_| true), pair("p", "scores"));
        assert_eq!(fetches(&info(), None, None, &|_| true), pair("scores", "scores"));
    }
}
