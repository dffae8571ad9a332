//! The columns of answers: the most probable classes of a fetched output.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::ArrayRef;
use mmlrs_core::{Error, ModelSource, Rejects, Result};

use crate::answers::{Activation, AnswerParams, Answers, Names};
use crate::graph::dim::Dim;
use crate::graph::image_meta::ImageMeta;
use crate::graph::info::{ValueInfo, ValueKind};
use crate::tensor::output::{Collected, Values};

/// How to read the scores of one output.
pub struct Answering {
    activation: Activation,
    names: Classes,
}

/// The names of the classes of an output.
enum Classes {
    /// Those of the labels, one per score.
    Named(Names),
    /// Those of the labels, if their number fits that of the scores, which the graph does not declare.
    Undeclared { labels: Option<Vec<String>>, meta: Box<ImageMeta> },
    /// The keys of the output's maps.
    Keys,
}

impl Answering {
    /// Combines the params and an output of the model.
    ///
    /// # Errors
    /// The output does not hold class scores, or the labels do not fit them.
    pub fn of(params: &AnswerParams, model: &ModelSource, meta: &ImageMeta, output: &ValueInfo) -> Result<Self> {
        if let ValueKind::Sequence(_) = &output.kind {
            if params.labels.is_some() {
                let message = format!("is set, but output `{}` has maps, whose keys are the classes", output.name);
                return Err(Error::param("labels", message));
            }
            // The values of a classifier of scikit-learn are probabilities.
            let activation = if params.activation == "auto" { "none" } else { &params.activation };
            let activation = Activation::of(activation, meta, model, &output.name, 2)?;
            return Ok(Self { activation, names: Classes::Keys });
        }
        if !output.element().is_some_and(crate::graph::element::Element::is_float) {
            return Err(no_scores(&format!("output `{}` is a {}, not floats", output.name, output.kind.words())));
        }
        let shape: Option<Vec<usize>> = output.row_shape().and_then(|dims| dims.iter().map(Dim::size).collect());
        if let Some(shape) = &shape {
            check_shape(&output.name, shape)?;
        }
        let size = output.row_size();
        let activation = Activation::of(&params.activation, meta, model, &output.name, size.unwrap_or(2))?;
        let names = match size {
            Some(size) => Classes::Named(Names::of(params.labels.as_deref(), meta, size)?),
            None => Classes::Undeclared { labels: params.labels.clone(), meta: Box::new(meta.clone()) },
        };
        Ok(Self { activation, names })
    }

    /// The answers of the rows of a batch. A row whose scores are not finite is a bad row.
    pub fn answers(&self, collected: &Collected, top: usize, rejects: &mut Rejects) -> Result<ArrayRef> {
        let mut out = Answers::new(top, collected.spans.len());
        let mut counted: Option<(usize, Names)> = None;
        for (row, span) in collected.spans.iter().enumerate() {
            let (Some((start, shape)), Some(scores)) = (span, collected.floats(row)) else {
                out.push_null();
                continue;
            };
            if scores.iter().any(|score| !score.is_finite()) {
                rejects.reject(
                    row,
                    Error::decode(format!("the scores `{}` include NaN or an infinity", collected.name)),
                )?;
                out.push_null();
                continue;
            }
            let mut scores: Vec<f32> = scores.iter().map(|score| *score as f32).collect();
            match &self.names {
                Classes::Keys => {
                    self.activation.apply(&mut scores);
                    out.push(&scores, |class| (key(collected, start + class), None));
                }
                Classes::Named(names) => names.push(&mut out, scores, self.activation),
                Classes::Undeclared { labels, meta } => {
                    check_shape(&collected.name, collected.shapes.get(*shape))?;
                    if counted.as_ref().is_none_or(|(size, _)| *size != scores.len()) {
                        counted = Some((scores.len(), Names::of(labels.as_deref(), meta, scores.len())?));
                    }
                    if let Some((_, names)) = &counted {
                        names.push(&mut out, scores, self.activation);
                    }
                }
            }
        }
        Ok(Arc::new(out.finish()?))
    }
}

fn key(collected: &Collected, at: usize) -> Cow<'_, str> {
    match &collected.keys {
        Some(Values::Str(keys)) => Cow::Borrowed(keys[at].as_str()),
        Some(Values::I64(keys)) => Cow::Owned(keys[at].to_string()),
        _ => Cow::Borrowed(""),
    }
}

/// Returns an error unless the rows are vectors, one number per class.
fn check_shape(output: &str, shape: &[usize]) -> Result<()> {
    if shape.iter().filter(|size| **size != 1).count() <= 1 {
        return Ok(());
    }
    Err(no_scores(&format!("output `{output}` has row shape {shape:?}, not one score per class")))
}

fn no_scores(cause: &str) -> Error {
    Error::param("topKDict", format!("{cause}; name the column of an output with class scores"))
}
