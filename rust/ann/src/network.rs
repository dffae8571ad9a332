//! A network: layers with one vector of parameters, and a loss.

use std::ops::Range;
use std::sync::Arc;

use mmlrs_core::{Error, Result};

use crate::chain::{Chain, Pass};
use crate::layer::{Form, Layer, Mode};
use crate::loss::{Batch, Loss, Targets};
use crate::product::time_dense;
use crate::random::Random;
use crate::shape::Shape;

/// A list of layers and a loss.
#[derive(Debug, Clone)]
pub struct Network {
    chain: Chain,
    loss: Loss,
}

/// The buffers of a network for batches of up to a number of rows. They are allocated once.
#[derive(Debug)]
pub struct Workspace {
    rows: usize,
    /// The values between the layers, and what the layers keep.
    kept: Vec<f32>,
    /// Derivatives by these values, and what the layers need while they work.
    work: Vec<f32>,
}

/// The rows of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// The values, row by row.
    pub x: &'a [f32],
    /// The targets.
    pub targets: Targets<'a>,
    /// The weight of each row; 1 if not set.
    pub weights: Option<&'a [f32]>,
    /// Whether the network is trained.
    pub mode: Mode,
    /// Factor of the derivatives, such as 1 over the number of rows of all batches.
    pub scale: f32,
}

impl Network {
    /// Connects layers.
    ///
    /// # Errors
    /// There are no layers, a layer does not accept what the layer before it returns, the network exceeds a limit, or a setting of
    /// the loss does not fit.
    pub fn new(input: Shape, layers: Vec<Arc<dyn Layer>>, loss: Loss) -> Result<Self> {
        let chain = Chain::new(input, layers)?;
        loss.check(chain.output().len())?;
        Ok(Self { chain, loss })
    }

    /// The shape of a row of input.
    pub fn input(&self) -> Shape {
        self.chain.input()
    }

    /// The shape of a row of output.
    pub fn output(&self) -> Shape {
        self.chain.output()
    }

    /// The loss.
    pub fn loss(&self) -> &Loss {
        &self.loss
    }

    /// Number of parameters.
    pub fn parameter_count(&self) -> usize {
        self.chain.parameter_count()
    }

    /// The shape of a row before and after each layer, and where its parameters are in the vector of all parameters.
    pub fn places(&self) -> impl Iterator<Item = (Shape, Shape, Range<usize>)> {
        self.chain.places()
    }

    /// The parameters that are weights, in order; see [`Layer::weights`](crate::Layer::weights).
    pub fn weights(&self) -> Vec<Range<usize>> {
        self.chain.weights()
    }

    /// Whether the network is one affine layer, `x W + b`, besides layers that change only the shape of a row.
    pub fn is_affine(&self) -> bool {
        self.chain.forms().all(|form| form != Form::Other)
            && self.chain.forms().filter(|form| *form == Form::Affine).count() == 1
    }

    /// Whether the targets are classes.
    pub fn has_classes(&self) -> bool {
        matches!(self.loss, Loss::CrossEntropy { .. })
    }

    /// Initial parameters.
    pub fn initial(&self, seed: u64) -> Vec<f32> {
        let mut parameters = vec![0.0; self.parameter_count()];
        self.chain.initialize(&mut Random::new(seed), &mut parameters);
        parameters
    }

    /// Begins with an answer for all rows: the biases of the last layer become these values, if it has one for each.
    pub fn set_answer(&self, values: &[f32], parameters: &mut [f32]) {
        let biases = self.chain.output_biases();
        if biases.len() == values.len() {
            parameters[biases].copy_from_slice(values);
        }
    }

    /// Whether some parameters are statistics: measured from batch to batch, not trained. Then the loss of all rows is not the sum
    /// of the losses of batches, and optimizers that need that, such as L-BFGS, must refuse the network.
    pub fn has_statistics(&self) -> bool {
        !self.chain.statistics().is_empty()
    }

    /// The parameters that are statistics, in order.
    pub fn statistics(&self) -> Vec<Range<usize>> {
        self.chain.statistics()
    }

    /// The parameters that are trained, in order: all but the statistics. Whatever reads or changes a gradient, such as weight decay
    /// or a norm, must keep to them.
    pub fn trained(&self) -> Vec<Range<usize>> {
        let (mut trained, mut start) = (Vec::new(), 0);
        for fixed in self.statistics() {
            trained.push(start..fixed.start);
            start = fixed.end;
        }
        trained.push(start..self.parameter_count());
        trained.retain(|range| !range.is_empty());
        trained
    }

    /// Moves the statistics towards those of the batches whose [`Self::gradient`] was summed, once for each step of an optimizer.
    ///
    /// In the places of the statistics, a gradient holds sums weighted by the rows of the batches, and the sum of these weights. So
    /// any common factor cancels: the scale of the derivatives, a mean over workers, a limit of the gradient's length. The sum must
    /// be exact, though: an all-reduce that rounds to a few bits must leave the statistics out.
    pub fn settle(&self, parameters: &mut [f32], gradient: &[f32]) {
        self.chain.settle(parameters, gradient);
    }

    /// Number of values of [`Self::workspace`], of 4 bytes each.
    pub fn workspace_values(&self, rows: usize) -> usize {
        self.chain.kept().and(self.chain.work()).of(rows)
    }

    /// The buffers for batches of up to `rows` rows.
    pub fn workspace(&self, rows: usize) -> Workspace {
        Workspace { rows, kept: vec![0.0; self.chain.kept().of(rows)], work: vec![0.0; self.chain.work().of(rows)] }
    }

    /// Computes the outputs of a batch. They are the last layer's values; [`Loss::predict`] makes probabilities of them.
    ///
    /// # Errors
    /// The input is not a whole number of rows, or more than the buffers hold, or the parameters are not those of the network.
    pub fn forward<'w>(
        &self,
        parameters: &[f32],
        x: &[f32],
        mode: Mode,
        workspace: &'w mut Workspace,
    ) -> Result<&'w [f32]> {
        let rows = self.rows(x, workspace)?;
        if parameters.len() != self.parameter_count() {
            return Err(Error::runtime(format!(
                "the network has {} parameters, got {}",
                self.parameter_count(),
                parameters.len()
            )));
        }
        let pass = Pass { rows, mode, scale: 1.0, parameters, x, replaces: false };
        self.chain.forward(&pass, &mut workspace.kept, &mut workspace.work);
        Ok(&workspace.kept[self.chain.outputs(rows)])
    }

    /// Computes the outputs of a batch and the weighted sum of its losses.
    ///
    /// # Errors
    /// The input or the targets do not fit the network, or are more than the buffers hold.
    pub fn measure<'w>(
        &self,
        parameters: &[f32],
        batch: &Rows<'_>,
        workspace: &'w mut Workspace,
    ) -> Result<(&'w [f32], f64)> {
        let Rows { x, targets, weights, mode, scale } = *batch;
        let size = self.output().len();
        let rows = self.forward(parameters, x, mode, workspace)?.len() / size;
        let Workspace { kept, work, .. } = workspace;
        let outputs = &kept[self.chain.outputs(rows)];
        let batch = Batch { outputs, size, targets, weights };
        let loss = self.loss.evaluate(&batch, scale, &mut work[..rows * size])?;
        Ok((outputs, loss))
    }

    /// Computes the weighted sum of the losses of a batch, and adds its derivative by the parameters, times `scale`, to `gradient`.
    ///
    /// # Errors
    /// The input or the targets do not fit the network, or are more than the buffers hold.
    pub fn gradient(
        &self,
        parameters: &[f32],
        batch: &Rows<'_>,
        gradient: &mut [f32],
        workspace: &mut Workspace,
    ) -> Result<f64> {
        self.derive(parameters, batch, gradient, workspace, false)
    }

    /// The same, or replaces the values of `gradient`. For many parameters that takes less time than to set them to 0 before.
    pub(crate) fn derive(
        &self,
        parameters: &[f32],
        batch: &Rows<'_>,
        gradient: &mut [f32],
        workspace: &mut Workspace,
        replaces: bool,
    ) -> Result<f64> {
        let Rows { x, targets, weights, mode, scale } = *batch;
        let rows = self.rows(x, workspace)?;
        let size = self.output().len();
        let differ = targets.rows(size) != rows || weights.is_some_and(|weights| weights.len() != rows);
        if differ || gradient.len() != self.parameter_count() {
            return Err(Error::runtime("the rows, targets, weights and gradient of a batch do not fit each other"));
        }
        self.forward(parameters, x, mode, workspace)?;
        let Workspace { kept, work, .. } = workspace;
        let outputs = &kept[self.chain.outputs(rows)];
        let batch = Batch { outputs, size, targets, weights };
        let loss = self.loss.evaluate(&batch, scale, &mut work[..rows * size])?;
        let pass = Pass { rows, mode, scale, parameters, x, replaces };
        self.chain.backward(&pass, kept, work, gradient, false);
        Ok(loss)
    }

    /// Measures the matrix products of the dense layers in a [`Self::gradient`] of a batch of so many rows, which are at least the
    /// time that it takes. Returns the median seconds of some repetitions.
    ///
    /// # Errors
    /// A layer with parameters is not dense.
    pub fn time_products(&self, rows: usize, repeats: usize) -> Result<f64> {
        let mut sizes = Vec::new();
        for ((input, output, parameters), form) in self.places().zip(self.chain.forms()) {
            match form {
                Form::Affine => sizes.push((input.len(), output.len())),
                _ if !parameters.is_empty() => {
                    return Err(Error::runtime("only the products of dense layers are measured"));
                }
                _ => {}
            }
        }
        Ok(time_dense(&sizes, rows, repeats))
    }

    /// The number of rows of an input.
    fn rows(&self, x: &[f32], workspace: &Workspace) -> Result<usize> {
        let size = self.input().len();
        let (rows, rest) = (x.len() / size, x.len() % size);
        if rest > 0 || rows > workspace.rows {
            return Err(Error::runtime(format!(
                "a batch must be at most {} rows of {}, got {} values",
                workspace.rows,
                self.input(),
                x.len()
            )));
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::description::Description;
    use crate::gradient_check::check_network;

    fn network(input: &str, layers: &str) -> Result<Network> {
        let loss = r#"{"kind":"squared_error"}"#;
        Description::parse(&format!(r#"{{"version":1,"input":{input},"layers":[{layers}],"loss":{loss}}}"#))?.network()
    }

    fn numbers(count: usize, seed: u64) -> Vec<f32> {
        let mut random = Random::new(seed);
        (0..count).map(|_| random.symmetric(1.0)).collect()
    }

    /// Some layers need their output again, and the next layer may not replace it.
    #[test]
    fn layers_in_place_keep_what_others_need() -> Result<()> {
        for layers in [
            r#"{"kind":"dense","size":6},{"kind":"tanh"},{"kind":"dropout","rate":0.4},{"kind":"dense","size":2}"#,
            r#"{"kind":"dense","size":6},{"kind":"sigmoid"},{"kind":"softmax"},{"kind":"tanh"},{"kind":"dense","size":2}"#,
            r#"{"kind":"dropout","rate":0.4},{"kind":"relu"},{"kind":"flatten"},{"kind":"dense","size":2}"#,
        ] {
            let network = network("[4]", layers)?;
            let (x, targets) = (numbers(20, 1), numbers(10, 2));
            let checked = check_network(&network, &network.initial(3), &x, Targets::Values(&targets), 1000)?;
            assert!(checked.compared >= 10 && checked.worst < 0.02, "{layers}: {checked:?}");
        }
        let image = r#"{"kind":"convolution","channels":3,"kernel":[3,3],"padding":"same"},
            {"kind":"max_pooling","kernel":[2,2]},{"kind":"sigmoid"},{"kind":"flatten"},{"kind":"dense","size":2}"#;
        let network = network("[6,4,2]", image)?;
        let checked =
            check_network(&network, &network.initial(3), &numbers(144, 1), Targets::Values(&numbers(6, 2)), 1000)?;
        assert!(checked.compared > 50 && checked.worst < 0.02, "{checked:?}");
        Ok(())
    }

    const MANY: &str = r#"{"kind":"convolution","channels":4,"kernel":[3,3],"padding":"same"},{"kind":"relu"},
        {"kind":"residual","layers":[{"kind":"gelu"},{"kind":"depthwise","kernel":[3,3],"padding":"same"}]},
        {"kind":"max_pooling","kernel":[2,2]},{"kind":"softmax"},{"kind":"flatten"},{"kind":"dense","size":3}"#;

    /// The short last batch uses the buffers of the others.
    #[test]
    fn a_batch_gives_the_sums_of_its_rows() -> Result<()> {
        let network = network("[4,6,2]", MANY)?;
        let (parameters, x, targets) = (network.initial(1), numbers(5 * 48, 1), numbers(15, 2));
        let mut workspace = network.workspace(5);
        let mut gradient = |rows: std::ops::Range<usize>, sum: &mut [f32]| {
            let (x, targets) = (&x[rows.start * 48..rows.end * 48], &targets[rows.start * 3..rows.end * 3]);
            let mode = Mode::Training { seed: 1 };
            let batch = Rows { x, targets: Targets::Values(targets), weights: None, mode, scale: 0.2 };
            network.gradient(&parameters, &batch, sum, &mut workspace)
        };
        let (mut whole, mut parts) = (vec![0.0; parameters.len()], vec![0.0; parameters.len()]);
        let loss = gradient(0..5, &mut whole)?;
        let mut sum = 0.0;
        for rows in [0..2, 2..2, 2..3, 3..5] {
            sum += gradient(rows, &mut parts)?;
        }
        assert!((loss - sum).abs() < 1e-5 * loss);
        assert!(whole.iter().zip(&parts).all(|(whole, part)| (whole - part).abs() < 1e-5));
        assert!(whole.iter().any(|slope| slope.abs() > 0.01));
        Ok(())
    }

    #[test]
    fn parameters_follow_each_other() -> Result<()> {
        let network = network("[4,6,2]", MANY)?;
        let places: Vec<_> = network.places().collect();
        assert_eq!(places.len(), 7);
        assert_eq!(places[0].2, 0..76);
        assert_eq!(places[2], (places[1].1, places[1].1, 76..116));
        assert_eq!(places[6], (Shape::Vector(24), Shape::Vector(3), 116..191));
        assert!(!network.has_statistics() && network.trained().into_iter().eq(std::iter::once(0..191)));
        Ok(())
    }

    #[test]
    fn batches_that_do_not_fit_are_refused() -> Result<()> {
        let network = network("[4]", r#"{"kind":"dense","size":2}"#)?;
        let (parameters, mut workspace) = (network.initial(1), network.workspace(2));
        for x in [&[0.0; 5][..], &[0.0; 12]] {
            let error = network.forward(&parameters, x, Mode::Scoring, &mut workspace).expect_err("a bad batch");
            assert!(error.message().starts_with("a batch must be at most 2 rows of a vector of 4 values"), "{error}");
        }
        let error = network.forward(&parameters[1..], &[0.0; 4], Mode::Scoring, &mut workspace);
        assert_eq!(error.expect_err("a parameter is missing").message(), "the network has 10 parameters, got 9");
        Ok(())
    }
}
