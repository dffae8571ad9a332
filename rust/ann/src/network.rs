//! A list of layers with one vector of parameters.

use std::ops::Range;
use std::sync::Arc;

use mmlrs_core::{Error, Result};

use crate::layer::{Backward, Forward, Gradient, Layer, Mode};
use crate::loss::{Batch, Loss, Targets};
use crate::random::Random;
use crate::shape::{Shape, unfit};

/// Maximum number of parameters of a network.
pub const MAX_PARAMETERS: usize = 1 << 31;
/// Maximum number of values of a row between two layers.
pub const MAX_VALUES: usize = 1 << 31;

/// A list of layers and a loss.
#[derive(Debug, Clone)]
pub struct Network {
    places: Vec<Place>,
    input: Shape,
    loss: Loss,
}

/// A layer and its place in the network.
#[derive(Debug, Clone)]
struct Place {
    layer: Arc<dyn Layer>,
    input: Shape,
    output: Shape,
    parameters: Range<usize>,
    /// The buffer of the values before and after the layer. The first one is the network's input.
    before: usize,
    after: usize,
}

/// The buffers of a network for batches of up to a number of rows. They are allocated once.
#[derive(Debug)]
pub struct Workspace {
    rows: usize,
    /// The values after the layers, without those of layers that work in place.
    values: Vec<Vec<f32>>,
    /// What the layers keep.
    memory: Vec<Vec<f32>>,
    /// Derivatives by the values before and after a layer.
    slopes: [Vec<f32>; 2],
    /// What a layer uses while it works.
    scratch: Vec<f32>,
}

impl Network {
    /// Connects layers.
    ///
    /// # Errors
    /// A layer does not accept what the layer before it returns.
    pub fn new(input: Shape, layers: Vec<Arc<dyn Layer>>, loss: Loss) -> Result<Self> {
        if input.is_empty() || input.len() > MAX_VALUES || layers.is_empty() {
            return Err(unfit(format!(
                "a network must have 1 to {MAX_VALUES} inputs and at least one layer, got {input} and {} layers",
                layers.len()
            )));
        }
        let (mut places, mut shape, mut start, mut buffer) = (Vec::with_capacity(layers.len()), input, 0, 0);
        for (at, layer) in layers.into_iter().enumerate() {
            let output =
                layer.output(shape).map_err(|e| Error::new(e.kind(), format!("layer {at}: {}", e.message())))?;
            if output.is_empty() {
                return Err(unfit(format!("layer {at} has no outputs")));
            }
            let end = layer.parameter_count(shape).saturating_add(start);
            for (count, limit, what) in
                [(end, MAX_PARAMETERS, "parameters"), (output.len(), MAX_VALUES, "values per row after a layer")]
            {
                if count > limit {
                    let count = if count == usize::MAX { "too many".to_owned() } else { count.to_string() };
                    return Err(Error::limit(format!("layer {at}: {count} {what}; a network may have {limit}")));
                }
            }
            // The input of the network is not changed.
            let after = if layer.is_in_place() && buffer > 0 { buffer } else { buffer + 1 };
            places.push(Place { layer, input: shape, output, parameters: start..end, before: buffer, after });
            (shape, start, buffer) = (output, end, after);
        }
        loss.check(shape.len())?;
        Ok(Self { places, input, loss })
    }

    /// The shape of a row of input.
    pub fn input(&self) -> Shape {
        self.input
    }

    /// The shape of a row of output.
    pub fn output(&self) -> Shape {
        self.places.last().map_or(self.input, |place| place.output)
    }

    /// Number of parameters.
    pub fn parameter_count(&self) -> usize {
        self.places.last().map_or(0, |place| place.parameters.end)
    }

    /// The parameters that are weights, which regularization makes small.
    pub fn weights(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        self.places.iter().filter_map(|place| {
            let count = place.layer.weight_count(place.input);
            (count > 0).then(|| place.parameters.start..place.parameters.start + count)
        })
    }

    /// Whether the targets are classes.
    pub fn has_classes(&self) -> bool {
        matches!(self.loss, Loss::CrossEntropy { .. })
    }

    /// Initial parameters.
    pub fn initial(&self, seed: u64) -> Vec<f32> {
        let mut random = Random::new(seed);
        let mut parameters = vec![0.0; self.parameter_count()];
        for place in &self.places {
            place.layer.initialize(place.input, &mut random, &mut parameters[place.parameters.clone()]);
        }
        parameters
    }

    /// The buffers for batches of up to `rows` rows.
    pub fn workspace(&self, rows: usize) -> Workspace {
        let buffers = self.places.last().map_or(0, |place| place.after);
        let mut values = vec![Vec::new(); buffers];
        for place in &self.places {
            values[place.after - 1] = vec![0.0; place.output.len() * rows];
        }
        let memory = self.places.iter().map(|p| vec![0.0; p.layer.memory_per_row(p.input) * rows]).collect();
        // Of the first layer's input there is no derivative.
        let widest = self.places.iter().map(|p| p.output.len()).max().unwrap_or(0) * rows;
        let scratch = self.places.iter().map(|p| p.layer.scratch(p.input)).max().unwrap_or(0);
        Workspace { rows, values, memory, slopes: [vec![0.0; widest], vec![0.0; widest]], scratch: vec![0.0; scratch] }
    }

    /// Computes the outputs of a batch.
    ///
    /// # Errors
    /// The input is not a whole number of rows, or more than the buffers hold.
    pub fn forward<'w>(
        &self,
        parameters: &[f32],
        x: &[f32],
        mode: Mode,
        workspace: &'w mut Workspace,
    ) -> Result<&'w [f32]> {
        let rows = self.rows(x, workspace)?;
        for (at, place) in self.places.iter().enumerate() {
            let (head, tail) = workspace.values.split_at_mut(place.after - 1);
            let y = &mut tail[0][..rows * place.output.len()];
            let before: &[f32] = match place.before {
                0 => x,
                // The values are in `y` already.
                buffer if buffer == place.after => &[],
                buffer => &head[buffer - 1][..rows * place.input.len()],
            };
            let before = if place.layer.is_in_place() && place.before != place.after {
                y.copy_from_slice(before);
                &[]
            } else {
                before
            };
            let kept = place.layer.memory_per_row(place.input) * rows;
            place.layer.forward(Forward {
                input: place.input,
                rows,
                mode,
                parameters: &parameters[place.parameters.clone()],
                x: before,
                y,
                memory: &mut workspace.memory[at][..kept],
                scratch: &mut workspace.scratch[..place.layer.scratch(place.input)],
            });
        }
        let last = workspace.values.last().map(|values| &values[..rows * self.output().len()]);
        Ok(last.unwrap_or_default())
    }

    /// Computes the outputs of a batch and the weighted sum of its losses.
    ///
    /// # Errors
    /// The input or the targets do not fit the network, or are more than the buffers hold.
    pub fn loss<'w>(
        &self,
        parameters: &[f32],
        batch: &Rows<'_>,
        workspace: &'w mut Workspace,
    ) -> Result<(&'w [f32], f64)> {
        let Rows { x, targets, weights, mode, scale } = *batch;
        let size = self.output().len();
        let rows = self.forward(parameters, x, mode, workspace)?.len() / size;
        let Workspace { values, slopes, .. } = workspace;
        let outputs = values.last().map(|values| &values[..rows * size]).unwrap_or_default();
        let batch = Batch { outputs, size, targets, weights };
        let loss = self.loss.evaluate(&batch, scale, &mut slopes[0][..rows * size])?;
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
        let Rows { x, targets, weights, mode, scale } = *batch;
        let rows = self.rows(x, workspace)?;
        let size = self.output().len();
        let differ = targets.rows(size) != rows || weights.is_some_and(|weights| weights.len() != rows);
        if differ || gradient.len() != self.parameter_count() || parameters.len() != self.parameter_count() {
            return Err(Error::runtime("the rows, targets, weights and parameters of a batch do not fit each other"));
        }
        self.forward(parameters, x, mode, workspace)?;
        let Workspace { values, memory, slopes, scratch, .. } = workspace;
        let outputs = values.last().map(|values| &values[..rows * size]).unwrap_or_default();
        let [mut after, mut before] = slopes.each_mut();
        let loss = self.loss.evaluate(&Batch { outputs, size, targets, weights }, scale, &mut after[..rows * size])?;
        for (at, place) in self.places.iter().enumerate().rev() {
            let kept = &memory[at][..place.layer.memory_per_row(place.input) * rows];
            let scratch = &mut scratch[..place.layer.scratch(place.input)];
            let parameters = &parameters[place.parameters.clone()];
            let y = &values[place.after - 1][..rows * place.output.len()];
            if place.layer.is_in_place() {
                let dx = &mut after[..y.len()];
                let empty: &[f32] = &[];
                let pass = Backward {
                    input: place.input,
                    rows,
                    parameters,
                    x: empty,
                    y,
                    dy: empty,
                    dx,
                    memory: kept,
                    scratch,
                };
                place.layer.backward(pass);
                continue;
            }
            let x = if place.before == 0 { x } else { &values[place.before - 1][..rows * place.input.len()] };
            let dy = &after[..y.len()];
            let gradient = &mut gradient[place.parameters.clone()];
            if !gradient.is_empty() {
                let scratch = &mut *scratch;
                place.layer.gradient(Gradient {
                    input: place.input,
                    rows,
                    parameters,
                    x,
                    dy,
                    gradient,
                    memory: kept,
                    scratch,
                });
            }
            if at > 0 {
                let dx = &mut before[..x.len()];
                place.layer.backward(Backward {
                    input: place.input,
                    rows,
                    parameters,
                    x,
                    y,
                    dy,
                    dx,
                    memory: kept,
                    scratch,
                });
                std::mem::swap(&mut after, &mut before);
            }
        }
        Ok(loss)
    }

    /// The number of rows of an input.
    fn rows(&self, x: &[f32], workspace: &Workspace) -> Result<usize> {
        let (rows, rest) = (x.len() / self.input.len(), x.len() % self.input.len());
        if rest > 0 || rows > workspace.rows {
            return Err(Error::runtime(format!(
                "a batch of {} values does not have rows of {}, at most {}",
                x.len(),
                self.input,
                workspace.rows
            )));
        }
        Ok(rows)
    }
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
