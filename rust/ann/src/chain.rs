//! A list of layers, and the passes through it.

use std::ops::Range;
use std::sync::Arc;

use mmlrs_core::{Error, Result};

use crate::layer::{Amount, Backward, Form, Forward, Layer, Mode};
use crate::random::Random;
use crate::shape::{Shape, unfit};

/// Maximum number of parameters of a network.
pub const MAX_PARAMETERS: usize = 1 << 31;
/// Maximum number of values that a network keeps for one row: those between the layers, and what the layers need besides.
pub const MAX_VALUES: usize = 1 << 31;

/// A list of layers. What the passes keep is in one slice, place after place: the values after the layer, and its memory.
#[derive(Debug, Clone)]
pub struct Chain {
    places: Vec<Place>,
    input: Shape,
    /// What the forward pass keeps for the backward pass.
    kept: Amount,
    /// The most values per row between two layers.
    widest: usize,
    /// What a layer needs while it works.
    scratch: Amount,
}

/// A layer and its place in the chain.
#[derive(Debug, Clone)]
struct Place {
    layer: Arc<dyn Layer>,
    input: Shape,
    output: Shape,
    parameters: Range<usize>,
    /// Where the place begins in the kept values.
    start: Amount,
    memory: Amount,
    /// The places with the values before and after the layer. Before the first one is the input.
    before: Option<usize>,
    after: usize,
}

/// A batch on its way through the layers.
#[derive(Debug, Clone, Copy)]
pub struct Pass<'a> {
    pub rows: usize,
    pub mode: Mode,
    /// See [`Backward::scale`].
    pub scale: f32,
    pub parameters: &'a [f32],
    pub x: &'a [f32],
    /// Whether the backward pass replaces the gradient instead of adding to it.
    pub replaces: bool,
}

impl Chain {
    /// Connects layers.
    ///
    /// # Errors
    /// There are no layers, a layer does not accept what the layer before it returns, or the layers exceed a limit.
    pub fn new(input: Shape, layers: Vec<Arc<dyn Layer>>) -> Result<Self> {
        if input.is_empty() || input.len() > MAX_VALUES || layers.is_empty() {
            return Err(unfit(format!(
                "a network must have 1 to {MAX_VALUES} inputs and at least one layer, got {input} and {} layers",
                layers.len()
            )));
        }
        let mut chain = Self {
            places: Vec::with_capacity(layers.len()),
            input,
            kept: Amount::default(),
            widest: input.len(),
            scratch: Amount::default(),
        };
        for (at, layer) in layers.into_iter().enumerate() {
            chain.append(layer).map_err(|e| Error::new(e.kind(), format!("layer {at}: {}", e.message())))?;
        }
        Ok(chain)
    }

    fn append(&mut self, layer: Arc<dyn Layer>) -> Result<()> {
        let input = self.output();
        let output = layer.output(input)?;
        if output.is_empty() {
            return Err(unfit("it has no outputs"));
        }
        let first = self.parameter_count();
        let end = layer.parameter_count(input).saturating_add(first);
        let before = self.places.last().map(|place| place.after);
        // The input of the chain is not changed, and neither is an output that the layer before needs again.
        let is_free = self.places.last().is_some_and(|place| !place.layer.reads_output());
        let own = self.places.len();
        let after = before.filter(|_| layer.is_in_place() && is_free).unwrap_or(own);
        let values = Amount::per_row(if after == own { output.len() } else { 0 });
        let (start, memory) = (self.kept, layer.memory(input));
        self.kept = start.and(values).and(memory);
        self.widest = self.widest.max(output.len());
        self.scratch = self.scratch.or(layer.scratch(input));
        let needed = self.kept.and(self.work()).of(1);
        for (count, limit, what) in
            [(end, MAX_PARAMETERS, "parameters"), (needed, MAX_VALUES, "values for each row between the layers")]
        {
            if count > limit {
                let count = if count == usize::MAX { "too many".to_owned() } else { count.to_string() };
                return Err(Error::limit(format!("with this layer the network has {count} {what}, at most {limit}")));
            }
        }
        self.places.push(Place { layer, input, output, parameters: first..end, start, memory, before, after });
        Ok(())
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

    /// The shape of a row before and after each layer, and the layer's parameters.
    pub fn places(&self) -> impl Iterator<Item = (Shape, Shape, Range<usize>)> {
        self.places.iter().map(|place| (place.input, place.output, place.parameters.clone()))
    }

    /// The biases of the last layer; empty if it has none.
    pub fn output_biases(&self) -> Range<usize> {
        let Some(last) = self.places.last() else { return 0..0 };
        let (biases, start) = (last.layer.biases(last.input), last.parameters.start);
        start + biases.start..start + biases.end
    }

    /// What the layers compute, in order.
    pub fn forms(&self) -> impl Iterator<Item = Form> {
        self.places.iter().map(|place| place.layer.form())
    }

    /// What the forward pass keeps for the backward pass.
    pub fn kept(&self) -> Amount {
        self.kept
    }

    /// What the passes need while they work: twice the derivatives by the values between two layers, and what a layer needs.
    pub fn work(&self) -> Amount {
        Amount::per_row(self.widest.saturating_mul(2)).and(self.scratch)
    }

    /// Writes initial parameters; they are 0 before.
    pub fn initialize(&self, random: &mut Random, parameters: &mut [f32]) {
        for place in &self.places {
            place.layer.initialize(place.input, random, &mut parameters[place.parameters.clone()]);
        }
    }

    /// See [`Layer::statistics`].
    pub fn statistics(&self) -> Vec<Range<usize>> {
        self.ranges(|place| place.layer.statistics(place.input))
    }

    /// See [`Layer::weights`].
    pub fn weights(&self) -> Vec<Range<usize>> {
        self.ranges(|place| place.layer.weights(place.input))
    }

    /// Ranges of the layers' parameters as ranges of all parameters.
    fn ranges(&self, of: impl Fn(&Place) -> Vec<Range<usize>>) -> Vec<Range<usize>> {
        let of_place = |place: &Place| {
            let first = place.parameters.start;
            of(place).into_iter().map(move |range| first + range.start..first + range.end)
        };
        self.places.iter().flat_map(of_place).collect()
    }

    /// See [`Layer::settle`].
    pub fn settle(&self, parameters: &mut [f32], gradient: &[f32]) {
        for place in &self.places {
            let range = place.parameters.clone();
            place.layer.settle(place.input, &mut parameters[range.clone()], &gradient[range]);
        }
    }

    /// The values after a place.
    fn values(&self, place: usize, rows: usize) -> Range<usize> {
        let start = self.places[place].start.of(rows);
        start..start + self.places[place].output.len() * rows
    }

    /// The last layer's values.
    pub fn outputs(&self, rows: usize) -> Range<usize> {
        self.values(self.places[self.places.len() - 1].after, rows)
    }

    /// Computes the values after all layers.
    pub fn forward(&self, pass: &Pass<'_>, kept: &mut [f32], work: &mut [f32]) {
        let Pass { rows, mode, parameters, .. } = *pass;
        let scratch = &mut work[2 * self.widest * rows..];
        for (number, place) in self.places.iter().enumerate() {
            let (earlier, own) = kept.split_at_mut(place.start.of(rows));
            let is_own = place.after == number;
            let (values, own) = own.split_at_mut(if is_own { place.output.len() * rows } else { 0 });
            let (x, y): (&[f32], &mut [f32]) = if is_own {
                let x = place.before.map_or(pass.x, |before| &earlier[self.values(before, rows)]);
                if place.layer.is_in_place() {
                    values.copy_from_slice(x);
                    (&[], values)
                } else {
                    (x, values)
                }
            } else {
                (&[], &mut earlier[self.values(place.after, rows)])
            };
            place.layer.forward(Forward {
                input: place.input,
                rows,
                mode,
                parameters: &parameters[place.parameters.clone()],
                x,
                y,
                memory: &mut own[..place.memory.of(rows)],
                scratch: &mut scratch[..place.layer.scratch(place.input).of(rows)],
            });
        }
    }

    /// Adds the derivatives by the parameters to `gradient`, or replaces it. `work` begins with the derivative of the loss by the outputs. Returns
    /// the derivative by `x` if `wants_dx`, else an empty slice.
    pub fn backward<'w>(
        &self,
        pass: &Pass<'_>,
        kept: &[f32],
        work: &'w mut [f32],
        gradient: &mut [f32],
        wants_dx: bool,
    ) -> &'w [f32] {
        let Pass { rows, mode, scale, parameters, replaces, .. } = *pass;
        let (mut after, rest) = work.split_at_mut(self.widest * rows);
        let (mut before, scratch) = rest.split_at_mut(self.widest * rows);
        for (number, place) in self.places.iter().enumerate().rev() {
            // The places before have no use for derivatives if they have no parameters.
            let is_last = place.parameters.start == 0 && !wants_dx;
            if is_last && place.parameters.is_empty() {
                break;
            }
            let size = place.output.len() * rows;
            let y = if place.layer.reads_output() { &kept[self.values(place.after, rows)] } else { &[] };
            let memory = place.start.of(rows) + if place.after == number { size } else { 0 };
            let is_in_place = place.layer.is_in_place();
            let (x, dy, dx): (&[f32], &[f32], &mut [f32]) = if is_in_place {
                (&[], &[], &mut after[..size])
            } else {
                let x = place.before.map_or(pass.x, |before| &kept[self.values(before, rows)]);
                let dx = if is_last { 0 } else { place.input.len() * rows };
                (x, &after[..size], &mut before[..dx])
            };
            let gradient = &mut gradient[place.parameters.clone()];
            let writes = replaces && place.layer.replaces_gradient();
            if replaces && !writes {
                gradient.fill(0.0);
            }
            place.layer.backward(Backward {
                input: place.input,
                rows,
                mode,
                scale,
                parameters: &parameters[place.parameters.clone()],
                x,
                y,
                dy,
                dx,
                gradient,
                replaces: writes,
                memory: &kept[memory..memory + place.memory.of(rows)],
                scratch: &mut scratch[..place.layer.scratch(place.input).of(rows)],
            });
            if !is_in_place {
                std::mem::swap(&mut after, &mut before);
            }
        }
        if wants_dx { &after[..self.input.len() * rows] } else { &[] }
    }
}
