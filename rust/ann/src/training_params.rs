//! Params that the estimators of networks share.

use mmlrs_core::WeightsSource;
use mmlrs_macros::ParamGroup;

/// How a network is trained.
#[derive(Debug, Clone, ParamGroup)]
pub struct TrainingParams {
    /// The algorithm. Over all rows: "l-bfgs" with a line search for the strong Wolfe conditions, "gd", gradient descent. Over
    /// batches of rows: "sgd", gradient descent with momentum, "adam", and "adamw" with weight decay. "symsgd" is for networks of
    /// one linear layer: each worker takes steps of gradient descent alone, and after at most ten steps a combiner makes of them
    /// nearly what one worker would reach that takes all steps one after the other (Maleki et al. 2017). It takes about 17 times
    /// the computation of "sgd", and a tenth of the communication if `stepSize` is small; with a large one the correction is
    /// rough, and the workers combine after fewer steps. One worker takes the steps of "sgd" without momentum.
    #[param(default = "l-bfgs", one_of("l-bfgs", "gd", "sgd", "symsgd", "adam", "adamw"))]
    pub solver: String,
    /// Maximum number of iterations of "l-bfgs" and "gd".
    #[param(default = 100, range(1, 1_000_000))]
    pub max_iter: usize,
    /// "l-bfgs" stops when an iteration improves the loss by a smaller share. "gd" stops when the parameters change by a smaller
    /// share. 0 never stops.
    #[param(default = 1e-6, range(0.0, 1.0))]
    pub tol: f64,
    /// Number of passes over the rows by "sgd", "symsgd", "adam" and "adamw".
    #[param(default = 10, range(1, 1_000_000))]
    pub epochs: usize,
    /// Number of rows of a batch of "sgd", "symsgd", "adam" and "adamw": of all workers together, or of each worker for "symsgd"
    /// or if `localSteps` is set.
    #[param(default = 128, range(1, 1_000_000))]
    pub batch_size: usize,
    /// Number of rows that a worker computes at once. It changes memory and speed, and results by rounding only.
    #[param(default = 1024, range(1, 1_000_000))]
    pub block_size: usize,
    /// Learning rate of all solvers but "l-bfgs". If not set, 0.03 for "gd", 0.01 for "sgd" and
    /// "symsgd", 0.001 for "adam" and "adamw".
    #[param(above(0.0))]
    pub step_size: Option<f64>,
    /// Momentum of "sgd".
    #[param(default = 0.9, range(0.0, 0.9999))]
    pub momentum: f64,
    /// Whether the momentum of "sgd" is Nesterov's.
    #[param(default = true)]
    pub nesterov: bool,
    /// Half of this, times the sum of the squared weights, is added to the mean loss. Biases are not regularized.
    #[param(default = 0.0, range(0.0, 1e6))]
    pub l2: f64,
    /// Weight decay of "adamw": a step of rate r multiplies the weights by 1 - r times this.
    #[param(default = 0.01, range(0.0, 1.0))]
    pub weight_decay: f64,
    /// How the learning rate changes: "constant"; "step", by the factor `decayFactor` after every `decayEpochs` epochs; "cosine",
    /// to 0 along half a cosine.
    #[param(default = "constant", one_of("constant", "step", "cosine"))]
    pub schedule: String,
    /// Number of epochs, or iterations of "gd", after which the schedule "step" changes the rate.
    #[param(default = 10, range(1, 1_000_000))]
    pub decay_epochs: usize,
    /// The factor of the schedule "step".
    #[param(default = 0.1, range(0.0, 1.0))]
    pub decay_factor: f64,
    /// Number of epochs in which the learning rate rises linearly to `stepSize`.
    #[param(default = 0.0, range(0.0, 1e6))]
    pub warm_up_epochs: f64,
    /// Seed of the initial weights, the order of the rows, dropout and the rows that are held out.
    #[param(default = 0)]
    pub seed: i64,
    /// Stop after so many iterations or epochs without a smaller loss on the validation rows, and use the best weights. 0 never
    /// stops early and uses the last weights. Needs `validationFraction` or `validationIndicatorCol`.
    #[param(default = 0, range(0, 1_000_000))]
    pub early_stopping: usize,
    /// Share of the rows to validate on instead of training. Equal rows stay together, and the choice depends on `seed` and the
    /// content of a row only.
    #[param(default = 0.0, range(0.0, 0.99))]
    pub validation_fraction: f64,
    /// Name of a boolean column that is true for rows to validate on.
    #[param(non_empty, role = input, accepts(any))]
    pub validation_indicator_col: Option<String>,
    /// Name of a column of weights, numbers of at least 0. If not set, every row has the weight 1.
    #[param(non_empty, role = input, accepts(any))]
    pub weight_col: Option<String>,
    /// The weights to start from: a model of this class, the weights of one, or numbers in the order of Spark ML. If not set,
    /// random weights; a network that predicts numbers begins with their mean.
    #[param]
    pub initial_weights: Option<WeightsSource>,
    /// Number of Spark tasks that train together, each with its part of the rows. 0 uses as many as run at the same time.
    #[param(default = 0, range(0, 256))]
    pub num_workers: usize,
    /// Number of batches that a worker trains on alone before the weights of all workers are averaged. 0 sums the gradients of
    /// every batch. Needs "sgd", "adam" or "adamw".
    #[param(default = 0, range(0, 1_000_000))]
    pub local_steps: usize,
    /// How workers send the gradients of batches to each other: "none", as they are; "1bit", the signs only, with the rounding
    /// errors added to the next gradient (Seide et al. 2014). It sends a thirtieth of the bytes and pays on slow networks only. Use
    /// it with "sgd" and `momentum=0`, where it costs no accuracy: momentum and "adam" amplify the rounding errors. Needs "sgd", "adam" or "adamw" without `localSteps`.
    #[param(default = "none", one_of("none", "1bit"))]
    pub gradient_compression: String,
    /// Local folder of the driver for checkpoints after each job. A fit with the same params and rows whose driver was killed goes on
    /// from the last one, with a warning; a finished fit removes its own.
    #[param(non_empty)]
    pub checkpoint_dir: Option<String>,
    /// How to handle a row whose label, weight or features are null, NaN or infinite: "error" fails with an error that names
    /// stage, column, row and cause; "skip" trains without the row. The model has the same setting: with "skip" it drops rows.
    #[param(default = "error", one_of("error", "skip"))]
    pub handle_invalid: String,
}
