//! A text model: its inputs, the output with the embedding, and runs over rows of tokens.

use std::borrow::Cow;
use std::sync::Arc;

use mmlrs_core::{Cache, Error, ModelSource, Result};
use mmlrs_text::Tokens;
use ort::session::SessionInputValue;
use ort::value::{Tensor, ValueType};

use crate::failure::failed;
use crate::graph::cut::quoted;
use crate::graph::dim::Dim;
use crate::graph::element::Element;
use crate::graph::info::{ModelInfo, ValueInfo};
use crate::graph::prepared::Prepared;
use crate::prepare::{computes, model_info, prepare, prepared_for};
use crate::runtime::session::{Feed, SessionOptions, open, run_trial};
use crate::tensor::output::floats_of;

/// Names of outputs to read, in order of preference.
const OUTPUTS: [&str; 3] = ["sentence_embedding", "last_hidden_state", "token_embeddings"];

/// A text model with the information from its graph.
#[derive(Debug, Clone)]
pub struct TextModel {
    /// The model, cut to the output.
    pub prepared: Arc<Prepared>,
    /// The output to read.
    pub output: String,
    /// Number of tokens of each row, if the graph fixes it.
    pub sequence: Option<usize>,
    /// Length of an embedding, if the graph declares it.
    pub size: Option<usize>,
    inputs: Vec<(String, TokenInput, Element)>,
}

/// The part of the tokens that an input reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TokenInput {
    Ids,
    Mask,
    Types,
    Positions,
}

impl TokenInput {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Ids, "input_ids"),
        (Self::Mask, "attention_mask"),
        (Self::Types, "token_type_ids"),
        (Self::Positions, "position_ids"),
    ];
}

/// Rows of tokens side by side, all padded to the same length.
pub struct Padded<'t> {
    /// The tokens of each row.
    pub rows: Vec<&'t Tokens>,
    /// Number of tokens of a row, including padding.
    pub width: usize,
    /// The id of the padding token.
    pub pad_id: u32,
}

impl TextModel {
    /// Finds the inputs by name, and the output: the one the user names, else by name, else by shape.
    pub fn of(source: &ModelSource, output: Option<&str>) -> Result<Self> {
        let output = match prepared_for(source)?.as_deref() {
            // The driver has chosen it already.
            Some([only]) => only.clone(),
            _ => wanted_output(source, output)?,
        };
        let prepared = prepare(source, std::slice::from_ref(&output))?;
        let inputs = prepared.info.inputs.iter().map(token_input).collect::<Result<Vec<_>>>()?;
        if !inputs.iter().any(|(_, what, _)| *what == TokenInput::Ids) {
            return Err(Error::model(format!(
                "the model has no input `input_ids`, so it does not read tokens; its inputs are {}",
                quoted(&prepared.info.inputs.iter().map(|i| i.name.clone()).collect::<Vec<_>>())
            )));
        }
        let sequence = prepared.info.inputs.iter().find_map(|i| i.shape()?.get(1)?.size());
        let info = prepared.info.output(&output).ok_or_else(|| Error::model(format!("no output `{output}`")))?;
        let size = check_output(info)?;
        Ok(Self { prepared, output, sequence, size, inputs })
    }

    /// Whether the output has a vector for every token.
    pub fn is_hidden(&self) -> bool {
        self.prepared.info.output(&self.output).and_then(ValueInfo::row_shape).is_some_and(|shape| shape.len() == 2)
    }

    /// Whether rows of different lengths can run together. Without a mask, padding would be read as text.
    pub fn has_mask(&self) -> bool {
        self.inputs.iter().any(|(_, what, _)| *what == TokenInput::Mask)
    }

    /// The inputs of a run.
    pub fn feeds(&self, rows: &Padded<'_>) -> Result<Vec<Feed<'static>>> {
        let feed = |(name, what, element): &(String, TokenInput, Element)| {
            Ok((Cow::Owned(name.clone()), rows.tensor(*what, *element).map_err(failed)?))
        };
        self.inputs.iter().map(feed).collect()
    }

    /// Runs one synthetic string of `length` tokens and returns the row shape of the output; once per process. The session is
    /// not kept.
    pub fn probe(&self, tokens: &Tokens, length: usize) -> Result<Vec<usize>> {
        type Key = (String, String, usize);
        static SHAPES: Cache<Key, Vec<usize>> = Cache::new("shapes of embeddings", 256, 1 << 20);
        let key: Key = (self.prepared.sha256().to_owned(), self.output.clone(), length);
        let shape = SHAPES.get_or_make(key, || {
            let shape = self.probe_now(tokens, length)?;
            let bytes = size_of_val(shape.as_slice());
            Ok((shape, bytes))
        })?;
        Ok(shape.to_vec())
    }

    fn probe_now(&self, tokens: &Tokens, length: usize) -> Result<Vec<usize>> {
        let mut session = open(self.prepared.content(), self.prepared.folder(), SessionOptions::plain())?;
        let stretched = |list: &[u32]| -> Vec<u32> { list.iter().copied().cycle().take(length).collect() };
        let text = Tokens { ids: stretched(&tokens.ids), mask: vec![1; length], types: stretched(&tokens.types) };
        let count = if let crate::Batch::Fixed(n) = self.prepared.batch { n } else { 1 };
        let rows = Padded { rows: vec![&text; count], width: self.sequence.unwrap_or(length), pad_id: 0 };
        run_trial(&mut session, self.feeds(&rows)?, |outputs| {
            let value = outputs.get(&self.output).ok_or_else(|| failed("the output is missing"))?;
            floats_of(value, &self.output)?;
            let ValueType::Tensor { shape, .. } = value.dtype() else {
                return Err(failed("the output is not a tensor"));
            };
            Ok(shape.iter().skip(1).map(|d| *d as usize).collect())
        })
    }
}

impl Padded<'_> {
    fn tensor(&self, what: TokenInput, element: Element) -> ort::Result<SessionInputValue<'static>> {
        let mut values: Vec<i64> = Vec::with_capacity(self.rows.len() * self.width);
        for tokens in &self.rows {
            let end = values.len() + self.width;
            let (list, filler) = match what {
                TokenInput::Ids => (&tokens.ids, self.pad_id),
                TokenInput::Mask => (&tokens.mask, 0),
                TokenInput::Types => (&tokens.types, 0),
                TokenInput::Positions => {
                    values.extend(0..self.width as i64);
                    continue;
                }
            };
            values.extend(list.iter().map(|v| i64::from(*v)));
            values.resize(end, i64::from(filler));
        }
        let shape = [self.rows.len() as i64, self.width as i64];
        Ok(match element {
            Element::I32 => Tensor::from_array((shape, values.iter().map(|v| *v as i32).collect::<Vec<_>>()))?.into(),
            _ => Tensor::from_array((shape, values))?.into(),
        })
    }
}

fn token_input(info: &ValueInfo) -> Result<(String, TokenInput, Element)> {
    let Some((what, _)) = TokenInput::ALL.iter().find(|(_, name)| *name == info.name) else {
        return Err(Error::model(format!(
            "the model reads `{}`, which tokens do not provide; a text model reads {}",
            info.name,
            quoted(&TokenInput::ALL.map(|(_, name)| name.to_owned()))
        )));
    };
    let rank = info.shape().map(<[Dim]>::len);
    match info.element() {
        Some(element @ (Element::I64 | Element::I32)) if rank.is_none_or(|rank| rank == 2) => {
            Ok((info.name.clone(), *what, element))
        }
        _ => Err(Error::model(format!(
            "input `{}` is a {}; expected integers of shape [batch, tokens]",
            info.name,
            info.kind.words()
        ))),
    }
}

fn wanted_output(source: &ModelSource, named: Option<&str>) -> Result<String> {
    let info = model_info(source)?;
    if let Some(name) = named {
        if info.output(name).is_none() && !computes(source, name)? {
            return Err(Error::param(
                "outputTensorName",
                format!("is `{name}`, which the model does not compute; its outputs are {}", outputs_of(&info)),
            ));
        }
        return Ok(name.to_owned());
    }
    let by_name = OUTPUTS.iter().find_map(|name| info.output(name));
    let by_rank = |rank: usize| info.outputs.iter().find(|o| o.shape().is_some_and(|s| s.len() == rank));
    let output = by_name.or_else(|| by_rank(3)).or_else(|| by_rank(2)).map(|o| o.name.clone());
    output.ok_or_else(|| {
        Error::model(format!(
            "no output is a hidden state of shape [batch, tokens, size] or an embedding of shape [batch, size]; the \
             outputs are {}",
            outputs_of(&info)
        ))
    })
}

fn outputs_of(info: &ModelInfo) -> String {
    let words = |o: &ValueInfo| format!("`{}` ({})", o.name, o.kind.words());
    info.outputs.iter().map(words).collect::<Vec<_>>().join(", ")
}

/// The length of an embedding, if the graph declares it. Returns an error if the output is not an embedding.
fn check_output(info: &ValueInfo) -> Result<Option<usize>> {
    let refuse = || {
        Error::model(format!(
            "output `{}` is a {}; expected floats of shape [batch, tokens, size] or [batch, size]",
            info.name,
            info.kind.words()
        ))
    };
    if !matches!(info.element(), Some(Element::F32 | Element::F16 | Element::Bf16 | Element::F64)) {
        return Err(refuse());
    }
    match info.row_shape() {
        Some([_, size] | [size]) => Ok(size.size()),
        Some(_) => Err(refuse()),
        None => Ok(None),
    }
}
