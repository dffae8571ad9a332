//! A network that names the objects in images.

use arrow_array::ListArray;
use mmlrs_core::{Block, Context, HandleInvalid, ModelSource, Rejects, Result, warn};
use mmlrs_image::DecodeOptions;

use super::input::{Pooling, TensorRequest};
use super::model::Columns;
use super::params::NetworkInput;
use super::plan::{NoScores, Plan, Request};
use crate::answers::{Activation, AnswerParams, NO_LABELS, Names, reject_odd};
use crate::runtime::run_params::RunParams;
use mmlrs_core::FloatRows;

/// What a stage asks of its network.
#[derive(Debug, Clone, Copy)]
pub struct ClassificationRequest<'a> {
    /// Name of the stage, for warnings.
    pub stage: &'static str,
    /// Name of the param with the model, for errors.
    pub param: &'static str,
    pub model: &'a ModelSource,
    pub answers: &'a AnswerParams,
    /// The output with the scores. If not set, the first output.
    pub output: Option<&'a str>,
    pub input: &'a NetworkInput,
    pub decode: DecodeOptions,
    pub run: &'a RunParams,
}

/// The network, and how to read its scores.
#[derive(Debug)]
pub struct Classification {
    pub network: Plan,
    stage: &'static str,
    names: Names,
    activation: Activation,
    /// Whether the activation is the usual one, because neither the params nor the model say which.
    is_assumed: bool,
    top: usize,
}

impl Classification {
    /// Combines params and model.
    pub fn make(request: ClassificationRequest<'_>) -> Result<Self> {
        let ClassificationRequest { stage, param, model, answers, output, input, decode, run } = request;
        let network = Plan::make(Request {
            model,
            tensor: TensorRequest { headless: false, cut_output_layers: 0, feature: None, output },
            no_scores: NoScores { param, is: "cannot be used: ", advice: "a model that was trained to classify" },
            pooling: Pooling::None,
            input,
            decode,
            run,
        })?;
        let names = Names::of(answers.labels.as_deref(), &network.model.meta, network.size)?;
        let activation =
            Activation::of(&answers.activation, &network.model.meta, model, &network.output, network.size)?;
        let is_assumed =
            answers.activation == "auto" && activation == Activation::Softmax && network.model.meta.scores.is_none();
        Ok(Self { network, stage, names, activation, is_assumed, top: answers.top_k })
    }

    /// Computes the scores of the images of a block. A row whose scores are not finite is a bad row.
    pub fn scores(
        &self,
        block: &Block,
        columns: Columns<'_>,
        run: &RunParams,
        policy: HandleInvalid,
        cx: &Context,
    ) -> Result<(FloatRows, Rejects)> {
        let (mut scores, mut rejects) = self.network.run(block, columns, run, policy, cx)?;
        reject_odd(&mut scores, columns.image, &mut rejects)?;
        if self.is_assumed && look_like_probabilities(&scores) {
            warn(&format!(
                "{}: the outputs of the network already are probabilities, it seems: each row sums to 1. The softmax that is \
                 applied to them makes them flatter. Set activation=\"none\" to use them as they are, or \"softmax\" if they are \
                 scores",
                self.stage
            ))?;
        }
        Ok((scores, rejects))
    }

    /// The most probable classes of each row of scores.
    pub fn answers(&self, scores: &FloatRows) -> Result<ListArray> {
        self.names.answers(scores, self.top, self.activation)
    }

    /// Turns scores into the probabilities of all classes.
    pub fn probabilities(&self, mut scores: FloatRows) -> FloatRows {
        for row in 0..scores.rows() {
            if let Some(row) = scores.row_mut(row) {
                self.activation.apply(row);
            }
        }
        scores
    }

    /// What a user should know.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = self.network.notes();
        if self.names.are_missing() {
            notes.push(NO_LABELS.to_owned());
        }
        notes
    }
}

/// Whether all rows look like probabilities: not negative, and with a sum of 1.
fn look_like_probabilities(scores: &FloatRows) -> bool {
    let mut rows = (0..scores.rows()).filter_map(|row| scores.row(row)).peekable();
    rows.peek().is_some()
        && rows.all(|row| {
            row.len() > 1 && row.iter().all(|score| *score >= 0.0) && (row.iter().sum::<f32>() - 1.0).abs() < 1e-3
        })
}
