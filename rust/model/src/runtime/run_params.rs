//! The params of every stage that runs a model: batch size, device and limits.

use mmlrs_core::{Context, HandleInvalid, Result};
use mmlrs_macros::ParamGroup;

use crate::graph::prepared::Prepared;
use crate::runtime::runner::Runner;
use crate::runtime::session::{Device, OptLevel, SessionOptions, session};

/// Params of a model run.
#[derive(Debug, Clone, ParamGroup)]
pub struct RunParams {
    /// Maximum number of rows per run of the model. The last run of a batch may have fewer. On the CPU `ImageFeaturizer` runs
    /// at most 8 images per thread and `TextEmbedder` at most 4,096 tokens, since larger runs use more memory and are not
    /// faster.
    #[param(default = 64, min(1))]
    pub mini_batch_size: usize,
    /// Device on which the model runs: "auto" (GPU if there is one), "cpu", "cuda" or "cuda:N".
    #[param(default = "auto")]
    pub device: String,
    /// Level of graph optimization in ONNX Runtime.
    #[param(default = "all", one_of("none", "basic", "extended", "all"))]
    pub optimization_level: String,
    /// Number of threads within one operation; 0 means the cores of the task.
    #[param(default = 0, range(0, 1024))]
    pub intra_op_threads: usize,
    /// Maximum size in bytes of one input of a run. A mini-batch that would exceed it has fewer rows. A single row that exceeds
    /// it is an error, and so is a batch of fixed size; both are raised before memory is allocated.
    #[param(default = 2_147_483_648_i64, range(1, 1_099_511_627_776_i64))]
    pub max_tensor_bytes: usize,
    /// Maximum time in seconds of one run of the model, that is of one mini-batch. If not set, there is no limit. A run that
    /// exceeds it is stopped between two operations of the graph and is an error. With `handleInvalid` "skip" or "keep" its
    /// rows then run one at a time, each with that limit, and a row that exceeds it is a bad row.
    #[param(above(0.0))]
    pub max_run_seconds: Option<f64>,
}

impl RunParams {
    /// Returns an error for a device that does not exist.
    pub fn check(&self) -> Result<()> {
        Device::parse(&self.device).map(drop)
    }

    /// The runner of a prepared model. `spin` lets idle threads spin; it must be false if others need the cores meanwhile.
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
