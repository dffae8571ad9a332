//! Compares derivatives with finite differences.

use std::sync::Arc;

use mmlrs_core::Result;

use crate::layer::{Backward, Forward, Layer, Mode};
use crate::loss::{Loss, Targets};
use crate::network::{Network, Rows};
use crate::random::Random;
use crate::shape::Shape;

/// Half the distance of two points of a finite difference. In `f32`, less drowns in rounding.
const STEP: f32 = 1e-2;
/// A difference below this is rounding.
const ROUNDING: f64 = 2e-3;

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Checked {
    /// Number of derivatives that were compared.
    pub compared: usize,
    /// The largest relative difference.
    pub worst: f64,
    /// The parameter with that difference.
    pub at: usize,
}

/// Compares the derivatives of a network, as while it is trained, by up to `most` of its trained parameters with finite differences.
///
/// # Errors
/// The rows do not fit the network.
pub fn check_network(
    network: &Network,
    parameters: &[f32],
    x: &[f32],
    targets: Targets<'_>,
    most: usize,
) -> Result<Checked> {
    check_in_mode(network, parameters, x, targets, most, Mode::Training { seed: 7 })
}

fn check_in_mode(
    network: &Network,
    parameters: &[f32],
    x: &[f32],
    targets: Targets<'_>,
    most: usize,
    mode: Mode,
) -> Result<Checked> {
    let mut workspace = network.workspace(x.len() / network.input().len());
    let batch = Rows { x, targets, weights: None, mode, scale: 1.0 };
    let mut gradient = vec![f32::NAN; network.parameter_count()];
    network.derive(parameters, &batch, &mut gradient, &mut workspace, true)?;
    let mut ignored = gradient.clone();
    let mut moved = parameters.to_vec();
    let mut checked = Checked { compared: 0, worst: 0.0, at: 0 };
    let trained: Vec<usize> = network.trained().into_iter().flatten().collect();
    for &at in trained.iter().step_by(trained.len().div_ceil(most.max(1)).max(1)) {
        let mut loss = |by: f32| {
            moved[at] = parameters[at] + by;
            let loss = network.gradient(&moved, &batch, &mut ignored, &mut workspace);
            moved[at] = parameters[at];
            loss
        };
        let (above, here, below) = (loss(STEP)?, loss(0.0)?, loss(-STEP)?);
        let off = difference(f64::from(gradient[at]), [below, here, above]);
        checked.compared += 1;
        // NaN is the worst.
        if off.is_nan() || off > checked.worst {
            checked = Checked { worst: off, at, ..checked };
        }
    }
    Ok(checked)
}

/// The relative difference of a derivative and the slope through three losses.
fn difference(derivative: f64, [below, here, above]: [f64; 3]) -> f64 {
    let step = f64::from(STEP);
    // Where a maximum or a relu bends, any slope between the one before and the one after is right.
    let (before, after) = ((here - below) / step, (above - here) / step);
    let outside = (before.min(after) - derivative).max(derivative - before.max(after)).max(0.0);
    let slope = (above - below) / (2.0 * step);
    let scale = slope.abs().max(derivative.abs()).max(1.0);
    // `max` ignores NaN.
    if slope.is_nan() || derivative.is_nan() { f64::NAN } else { (outside - ROUNDING).max(0.0) / scale }
}

/// Checks a layer that reads rows of this shape, between two layers with parameters, so that all its derivatives matter: by its
/// own parameters and, through those of the layer before it, by its input. It is checked in both modes; the worse one counts.
///
/// # Errors
/// The layer does not accept such rows.
pub fn check_layer(layer: Arc<dyn Layer>, input: Shape) -> Result<Checked> {
    let (rows, mut random) = (4, Random::new(11));
    let output = layer.output(input)?;
    let layers: Vec<Arc<dyn Layer>> = vec![Arc::new(Shift), layer, Arc::new(Shift)];
    let network = Network::new(input, layers, Loss::SquaredError {})?;
    let parameters: Vec<f32> = network.initial(3).iter().map(|p| p + random.symmetric(0.3)).collect();
    let x: Vec<f32> = (0..rows * input.len()).map(|_| random.symmetric(1.0)).collect();
    let targets: Vec<f32> = (0..rows * output.len()).map(|_| random.symmetric(1.0)).collect();
    let targets = Targets::Values(&targets);
    let training = check_network(&network, &parameters, &x, targets, 500)?;
    let scoring = check_in_mode(&network, &parameters, &x, targets, 500, Mode::Scoring)?;
    let worse = if scoring.worst <= training.worst { training } else { scoring };
    Ok(Checked { compared: training.compared + scoring.compared, ..worse })
}

/// A layer with a factor and a summand for each value.
#[derive(Debug)]
struct Shift;

impl Layer for Shift {
    fn output(&self, input: Shape) -> Result<Shape> {
        Ok(input)
    }

    fn parameter_count(&self, input: Shape) -> usize {
        2 * input.len()
    }

    fn initialize(&self, input: Shape, random: &mut Random, parameters: &mut [f32]) {
        let (factors, summands) = parameters.split_at_mut(input.len());
        factors.fill_with(|| 1.0 + random.symmetric(0.5));
        summands.fill_with(|| random.symmetric(0.5));
    }

    fn forward(&self, pass: Forward<'_>) {
        let (factors, summands) = pass.parameters.split_at(pass.input.len());
        for (y, x) in pass.y.chunks_exact_mut(pass.input.len()).zip(pass.x.chunks_exact(pass.input.len())) {
            for at in 0..y.len() {
                y[at] = x[at] * factors[at] + summands[at];
            }
        }
    }

    fn backward(&self, pass: Backward<'_>) {
        let size = pass.input.len();
        let factors = &pass.parameters[..size];
        for (dx, dy) in pass.dx.chunks_exact_mut(size).zip(pass.dy.chunks_exact(size)) {
            for at in 0..size {
                dx[at] = dy[at] * factors[at];
            }
        }
        let (factors, summands) = pass.gradient.split_at_mut(size);
        for (dy, x) in pass.dy.chunks_exact(size).zip(pass.x.chunks_exact(size)) {
            for at in 0..size {
                factors[at] += dy[at] * x[at];
                summands[at] += dy[at];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::{
        Activation, BatchNormalization, Convolution, Dense, Depthwise, Dropout, Flatten, Gelu, GlobalMean, Kind,
        Padding, Pooling, Residual, Softmax, Window,
    };

    #[test]
    fn every_layer_has_right_derivatives() -> Result<()> {
        let (vector, image) = (Shape::Vector(12), Shape::Image { height: 6, width: 5, channels: 3 });
        let odd = Window { size: [3, 2], stride: [2, 1], padding: Padding::Sides([1, 1, 1, 1]) };
        let same = Window { padding: Padding::Same, ..Window::square(3, 1) };
        let inner: Vec<Arc<dyn Layer>> = vec![
            Arc::new(Convolution { filters: 4, window: same }),
            Arc::new(BatchNormalization::default()),
            Arc::new(Activation::Tanh),
            Arc::new(Residual::new(
                Shape::Image { height: 6, width: 5, channels: 4 },
                vec![Arc::new(Gelu), Arc::new(Depthwise { window: same }), Arc::new(Dropout { share: 0.2, number: 2 })],
            )?),
            Arc::new(Convolution { filters: 3, window: Window::square(1, 1) }),
        ];
        let layers: Vec<(Arc<dyn Layer>, Shape)> = vec![
            (Arc::new(BatchNormalization::default()), vector),
            (Arc::new(BatchNormalization::default()), image),
            (Arc::new(Softmax), vector),
            (Arc::new(Softmax), image),
            (
                Arc::new(Residual::new(vector, vec![Arc::new(Activation::Sigmoid), Arc::new(Dense { size: 12 })])?),
                vector,
            ),
            (Arc::new(Residual::new(image, inner)?), image),
            (Arc::new(Dense { size: 7 }), vector),
            (Arc::new(Activation::Sigmoid), vector),
            (Arc::new(Activation::Relu), vector),
            (Arc::new(Activation::Tanh), vector),
            (Arc::new(Gelu), vector),
            (Arc::new(Dropout { share: 0.3, number: 1 }), vector),
            (Arc::new(Convolution { filters: 4, window: Window::square(3, 1) }), image),
            (Arc::new(Convolution { filters: 2, window: odd }), image),
            (Arc::new(Depthwise { window: odd }), image),
            (Arc::new(Pooling { kind: Kind::Maximum, window: Window::square(2, 2) }), image),
            (Arc::new(Pooling { kind: Kind::Maximum, window: odd }), image),
            (Arc::new(Pooling { kind: Kind::Mean, window: odd }), image),
            (Arc::new(GlobalMean), image),
            (Arc::new(Flatten), image),
        ];
        for (layer, input) in layers {
            let name = format!("{layer:?}");
            let checked = check_layer(layer, input)?;
            assert!(checked.compared > 20 && checked.worst < 0.02, "{name}: {checked:?}");
        }
        Ok(())
    }

    /// A check that cannot fail is none.
    #[test]
    fn a_wrong_derivative_is_found() -> Result<()> {
        #[derive(Debug)]
        struct Wrong;
        impl Layer for Wrong {
            fn output(&self, input: Shape) -> Result<Shape> {
                Ok(input)
            }
            fn is_in_place(&self) -> bool {
                true
            }
            fn reads_output(&self) -> bool {
                true
            }
            fn forward(&self, pass: Forward<'_>) {
                pass.y.iter_mut().for_each(|y| *y *= *y);
            }
            fn backward(&self, pass: Backward<'_>) {
                pass.dx.iter_mut().zip(pass.y).for_each(|(dx, y)| *dx *= 2.2 * y.sqrt());
            }
        }
        assert!(check_layer(Arc::new(Wrong), Shape::Vector(5))?.worst > 0.02);
        Ok(())
    }

    #[test]
    fn every_loss_has_right_derivatives() -> Result<()> {
        let mut random = Random::new(5);
        let x: Vec<f32> = (0..6 * 5).map(|_| random.symmetric(1.0)).collect();
        let values: Vec<f32> = (0..6 * 3).map(|_| random.unit() as f32).collect();
        let losses = [
            (Loss::CrossEntropy { smoothing: 0.0, class_weights: None }, true),
            (Loss::CrossEntropy { smoothing: 0.2, class_weights: Some(vec![0.5, 1.0, 3.0]) }, true),
            (Loss::SquaredError {}, false),
            (Loss::Huber { delta: 0.3 }, false),
            (Loss::SigmoidCrossEntropy {}, false),
        ];
        for (loss, is_classes) in losses {
            let layers: Vec<Arc<dyn Layer>> =
                vec![Arc::new(Dense { size: 4 }), Arc::new(Activation::Tanh), Arc::new(Dense { size: 3 })];
            let network = Network::new(Shape::Vector(5), layers, loss.clone())?;
            let targets = if is_classes { Targets::Classes(&[0, 1, 2, 2, 1, 0]) } else { Targets::Values(&values) };
            let checked = check_network(&network, &network.initial(2), &x, targets, 1000)?;
            assert!(checked.compared == network.parameter_count() && checked.worst < 0.02, "{loss:?}: {checked:?}");
        }
        Ok(())
    }
}
