//! The params of every stage that runs a model: how many rows at a time, where, and with what.

use mmlrs_core::{Context, HandleInvalid, Result};
use mmlrs_macros::ParamGroup;

use crate::graph::prepared::Prepared;
use crate::runtime::runner::Runner;
use crate::runtime::session::{Device, OptLevel, SessionOptions, session};

/// How a model is run.
#[derive(Debug, Clone, ParamGroup)]
pub struct RunParams {
    /// Most rows per run of the model; the last run of a batch may have fewer. On the CPU `ImageFeaturizer` runs at most 8
    /// pictures per thread and `TextEmbedder` at most 4,096 tokens: more take memory and gain nothing.
    #[param(default = 64, min(1))]
    pub mini_batch_size: usize,
    /// Where the model runs: "auto" (GPU if there is one), "cpu", "cuda" or "cuda:N".
    #[param(default = "auto")]
    pub device: String,
    /// How far ONNX Runtime may optimise the graph.
    #[param(default = "all", one_of("none", "basic", "extended", "all"))]
    pub optimization_level: String,
    /// Threads within one operation; 0 means the cores of the task.
    #[param(default = 0, range(0, 1024))]
    pub intra_op_threads: usize,
    /// Maximum size in bytes of one input of a run. A mini-batch that would exceed it has fewer rows; a row that exceeds it, or
    /// a batch that the model fixes, is an error before anything is allocated.
    #[param(default = 2_147_483_648_i64, range(1, 1_099_511_627_776_i64))]
    pub max_tensor_bytes: usize,
    /// Maximum seconds of one run of the model, that is of a mini-batch. Unset, a run takes as long as it needs. A run that
    /// exceeds it is stopped between two operations of the graph and is an error; with `handleInvalid` "skip" or "keep" its
    /// rows then run one at a time, each with that limit, and the row that exceeds it is a bad row.
    #[param(above(0.0))]
    pub max_run_seconds: Option<f64>,
}

impl RunParams {
    /// Fails on a device that does not exist.
    pub fn check(&self) -> Result<()> {
        Device::parse(&self.device).map(drop)
    }

    /// What runs a prepared model. `spin`: may idle threads spin? Not where others need the cores meanwhile.
    pub fn runner<'a>(
        &self,
        prepared: &'a Prepared,
        policy: HandleInvalid,
        cx: Context,
        spin: bool,
    ) -> Result<Runner<'a>> {
        Ok(Runner {
            prepared,
            model: session(prepared, self.options(cx, spin)?)?,
            mini_batch: self.mini_batch_size,
            max_bytes: self.max_tensor_bytes,
            max_seconds: self.max_run_seconds,
            threads: cx.threads,
            policy,
        })
    }

    fn options(&self, cx: Context, spin: bool) -> Result<SessionOptions> {
        Ok(SessionOptions {
            device: Device::parse(&self.device)?,
            level: OptLevel::parse(&self.optimization_level),
            threads: if self.intra_op_threads == 0 { cx.threads.get() } else { self.intra_op_threads },
            spin,
        })
    }
}
