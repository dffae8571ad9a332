//! Batch normalization.

use std::ops::Range;

use mmlrs_core::Result;

use crate::layer::{Amount, Backward, Forward, Layer, Mode};
use crate::random::Random;
use crate::shape::{Shape, unfit};
use crate::vectors::{column_sums, vectorized};

/// Batch normalization (Ioffe and Szegedy 2015), of each value of a vector, or of each channel of an image over all its pixels: the
/// mean becomes 0 and the variance 1, then each is multiplied by a scale and a shift is added.
///
/// While a network is trained, mean and variance are those of the batch. Weights of rows do not change them. With a single value per
/// channel, the result is the shift. When the network is used, they are running values: each [`settle`](Layer::settle) moves them by
/// `momentum` towards the mean over the batches of a step. The running variance is the unbiased one, as in `PyTorch`. The values of
/// workers are normalized with the statistics of their own batches, and the running values ignore how the means of batches differ.
///
/// The parameters are scale, shift, running mean and running variance of all channels, then one that stays 0: in its place, the
/// gradient holds the sum of the weights by which the gradient's statistics must be divided.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BatchNormalization {
    /// Added to the variance, above 0.
    pub epsilon: f32,
    /// Share of the new values in the running values, above 0 and at most 1.
    pub momentum: f32,
}

impl Default for BatchNormalization {
    fn default() -> Self {
        Self { epsilon: 1e-5, momentum: 0.1 }
    }
}

impl Layer for BatchNormalization {
    fn output(&self, input: Shape) -> Result<Shape> {
        let Self { epsilon, momentum } = *self;
        if !(epsilon > 0.0 && epsilon.is_finite()) {
            return Err(unfit(format!("the epsilon of a batch normalization must be above 0, got {epsilon}")));
        }
        if !(momentum > 0.0 && momentum <= 1.0) {
            return Err(unfit(format!(
                "the momentum of a batch normalization must be above 0 and at most 1, got {momentum}"
            )));
        }
        Ok(input)
    }

    fn parameter_count(&self, input: Shape) -> usize {
        input.channels().saturating_mul(4).saturating_add(1)
    }

    /// Mean, variance, and 1 over the standard deviation.
    fn memory(&self, input: Shape) -> Amount {
        Amount::per_batch(input.channels().saturating_mul(3))
    }

    /// The derivatives by shift and scale.
    fn scratch(&self, input: Shape) -> Amount {
        Amount::per_batch(input.channels().saturating_mul(2))
    }

    /// Scale and variance 1, shift and mean 0.
    fn initialize(&self, input: Shape, _random: &mut Random, parameters: &mut [f32]) {
        let channels = input.channels();
        parameters[..channels].fill(1.0);
        parameters[3 * channels..4 * channels].fill(1.0);
    }

    fn statistics(&self, input: Shape) -> Vec<Range<usize>> {
        let channels = input.channels();
        std::iter::once(2 * channels..4 * channels + 1).collect()
    }

    fn settle(&self, input: Shape, parameters: &mut [f32], gradient: &[f32]) {
        let channels = input.channels();
        let weight = gradient[4 * channels];
        // No batch had two values per channel.
        if weight == 0.0 {
            return;
        }
        for at in 2 * channels..4 * channels {
            parameters[at] += self.momentum * (gradient[at] / weight - parameters[at]);
        }
    }

    fn forward(&self, pass: Forward<'_>) {
        let channels = pass.input.channels();
        let (mean, rest) = pass.memory.split_at_mut(channels);
        let (variance, inverse) = rest.split_at_mut(channels);
        if matches!(pass.mode, Mode::Training { .. }) {
            measure(pass.x, mean, variance);
        } else {
            mean.copy_from_slice(&pass.parameters[2 * channels..3 * channels]);
            variance.copy_from_slice(&pass.parameters[3 * channels..4 * channels]);
        }
        inverse
            .iter_mut()
            .zip(variance)
            .for_each(|(inverse, variance)| *inverse = 1.0 / (*variance + self.epsilon).sqrt());
        normalize(
            pass.y,
            pass.x,
            [mean, inverse, &pass.parameters[..channels], &pass.parameters[channels..2 * channels]],
        );
    }

    fn backward(&self, pass: Backward<'_>) {
        let channels = pass.input.channels();
        let (mean, rest) = pass.memory.split_at(channels);
        let (variance, inverse) = rest.split_at(channels);
        let (shifts, scales) = pass.scratch.split_at_mut(channels);
        slopes(pass.x, pass.dy, [mean, inverse], shifts, scales);
        let (trained, measured) = pass.gradient.split_at_mut(2 * channels);
        for at in 0..channels {
            trained[at] += scales[at];
            trained[channels + at] += shifts[at];
        }
        let count = pass.x.len() / channels;
        if matches!(pass.mode, Mode::Training { .. }) {
            if count > 1 {
                let weight = pass.scale * pass.rows as f32;
                let unbiased = count as f32 / (count - 1) as f32;
                for at in 0..channels {
                    measured[at] += weight * mean[at];
                    measured[channels + at] += weight * unbiased * variance[at];
                }
                measured[2 * channels] += weight;
            }
            let share = 1.0 / count as f32;
            shifts.iter_mut().chain(scales.iter_mut()).for_each(|sum| *sum *= share);
        } else {
            // The running values do not depend on the rows.
            shifts.fill(0.0);
            scales.fill(0.0);
        }
        let factors = &pass.parameters[..channels];
        slopes_of_input(pass.dx, [pass.x, pass.dy], [mean, inverse, factors, shifts, scales]);
    }
}

vectorized! {
    /// Writes the mean and the variance of each channel.
    fn measure(x: &[f32], mean: &mut [f32], variance: &mut [f32]) {
        let channels = mean.len();
        let share = channels as f64 / x.len() as f64;
        column_sums(channels, x, x, |at, sum| mean[at] = (sum * share) as f32, |_, x, _| f64::from(x));
        let square = |at: usize, x: f32, _: f32| {
            let off = f64::from(x - mean[at]);
            off * off
        };
        column_sums(channels, x, x, |at, sum| variance[at] = (sum * share) as f32, square);
    }
}

vectorized! {
    fn normalize(y: &mut [f32], x: &[f32], [mean, inverse, scale, shift]: [&[f32]; 4]) {
        let channels = mean.len();
        for (y, x) in y.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
            for at in 0..channels {
                y[at] = (x[at] - mean[at]) * inverse[at] * scale[at] + shift[at];
            }
        }
    }
}

vectorized! {
    /// Writes the derivatives by shift and scale.
    fn slopes(x: &[f32], dy: &[f32], [mean, inverse]: [&[f32]; 2], shifts: &mut [f32], scales: &mut [f32]) {
        let channels = mean.len();
        column_sums(channels, dy, dy, |at, sum| shifts[at] = sum as f32, |_, dy, _| f64::from(dy));
        let product = |at: usize, x: f32, dy: f32| f64::from((x - mean[at]) * inverse[at]) * f64::from(dy);
        column_sums(channels, x, dy, |at, sum| scales[at] = sum as f32, product);
    }
}

vectorized! {
    /// Writes the derivative by the input, given the means over all values of the derivatives by shift and scale.
    fn slopes_of_input(dx: &mut [f32], [x, dy]: [&[f32]; 2], [mean, inverse, scale, shifts, scales]: [&[f32]; 5]) {
        let channels = mean.len();
        let rows = x.chunks_exact(channels).zip(dy.chunks_exact(channels));
        for (dx, (x, dy)) in dx.chunks_exact_mut(channels).zip(rows) {
            for at in 0..channels {
                let normalized = (x[at] - mean[at]) * inverse[at];
                dx[at] = scale[at] * inverse[at] * (dy[at] - shifts[at] - normalized * scales[at]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::layers::{Activation, Dense, Residual};
    use crate::loss::{Loss, Targets};
    use crate::network::{Network, Rows};
    use crate::optimizers::{Adam, Sgd};

    const IMAGE: Shape = Shape::Image { height: 3, width: 2, channels: 2 };

    fn normalizing(input: Shape) -> Result<Network> {
        Network::new(input, vec![Arc::new(BatchNormalization::default())], Loss::SquaredError {})
    }

    /// A number with this mean and standard deviation: a sum of uniform numbers.
    fn normal(random: &mut Random, mean: f32, deviation: f32) -> f32 {
        mean + deviation * (0..12).map(|_| random.symmetric(0.5)).sum::<f32>()
    }

    fn training<'a>(x: &'a [f32], targets: &'a [f32], scale: f32) -> Rows<'a> {
        Rows { x, targets: Targets::Values(targets), weights: None, mode: Mode::Training { seed: 1 }, scale }
    }

    #[test]
    fn training_uses_the_batch_and_scoring_the_running_values() -> Result<()> {
        let network = normalizing(IMAGE)?;
        let mut parameters = network.initial(1);
        // Scale, shift, running mean, running variance.
        parameters[..8].copy_from_slice(&[2.0, 3.0, 10.0, 20.0, 0.5, -1.0, 4.0, 0.25]);
        let mut random = Random::new(3);
        let x: Vec<f32> = (0..2 * 12).map(|_| random.symmetric(4.0)).collect();
        let mut workspace = network.workspace(2);
        let y = network.forward(&parameters, &x, Mode::Training { seed: 1 }, &mut workspace)?;
        for channel in 0..2 {
            let of = |values: &[f32]| values.iter().skip(channel).step_by(2).map(|v| f64::from(*v)).collect::<Vec<_>>();
            let moments = |values: &[f64]| {
                let mean = values.iter().sum::<f64>() / 12.0;
                (mean, (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 12.0).sqrt())
            };
            let (mean, deviation) = moments(&of(y));
            assert!((mean - [10.0, 20.0][channel]).abs() < 1e-5 && (deviation - [2.0, 3.0][channel]).abs() < 1e-4);
        }
        let y = network.forward(&parameters, &x, Mode::Scoring, &mut workspace)?;
        for (y, x) in y.chunks(2).zip(x.chunks(2)) {
            assert!((y[0] - ((x[0] - 0.5) / 2.0 * 2.0 + 10.0)).abs() < 1e-4);
            assert!((y[1] - ((x[1] + 1.0) / 0.5 * 3.0 + 20.0)).abs() < 1e-3);
        }
        Ok(())
    }

    #[test]
    fn running_values_approach_the_true_ones() -> Result<()> {
        let network = normalizing(Shape::Vector(2))?;
        let (mut parameters, mut random) = (network.initial(1), Random::new(5));
        let (mut gradient, mut workspace) = (vec![0.0; parameters.len()], network.workspace(50));
        for _ in 0..400 {
            let x: Vec<f32> =
                (0..50).flat_map(|_| [normal(&mut random, 3.0, 2.0), normal(&mut random, -1.0, 0.1)]).collect();
            gradient.fill(0.0);
            network.gradient(&parameters, &training(&x, &x, 1.0 / 50.0), &mut gradient, &mut workspace)?;
            network.settle(&mut parameters, &gradient);
        }
        let close = |at: usize, exact: f32, by: f32| assert!((parameters[at] - exact).abs() < by, "{parameters:?}");
        close(4, 3.0, 0.3);
        close(5, -1.0, 0.02);
        close(6, 4.0, 0.8);
        close(7, 0.01, 0.002);
        assert_eq!(parameters[8].to_bits(), 0.0_f32.to_bits());
        Ok(())
    }

    /// The batches of workers, summed, move the running values by the mean weighted by rows, whatever the scale.
    #[test]
    fn statistics_of_batches_are_weighted_by_their_rows() -> Result<()> {
        let network = normalizing(Shape::Vector(1))?;
        for factor in [1.0, 0.25] {
            let mut parameters = network.initial(1);
            let (mut gradient, mut workspace) = (vec![0.0; parameters.len()], network.workspace(4));
            // Means 2 and 8, unbiased variances 2 and 36; the last batch, of one row, has no variance and does not count.
            for x in [&[1.0, 3.0][..], &[2.0, 8.0, 14.0], &[1000.0]] {
                network.gradient(&parameters, &training(x, x, factor / 6.0), &mut gradient, &mut workspace)?;
            }
            network.settle(&mut parameters, &gradient);
            let mean = (2.0 * 2.0 + 3.0 * 8.0) / 5.0;
            let variance = (2.0 * 2.0 + 3.0 * 36.0) / 5.0;
            assert!((parameters[2] - 0.1 * mean).abs() < 1e-5, "{parameters:?}");
            assert!((parameters[3] - (0.9 + 0.1 * variance)).abs() < 1e-5, "{parameters:?}");
        }
        Ok(())
    }

    #[test]
    fn without_a_batch_the_running_values_stay() -> Result<()> {
        let network = normalizing(Shape::Vector(1))?;
        let mut parameters = network.initial(1);
        let (mut gradient, mut workspace) = (vec![0.0; parameters.len()], network.workspace(4));
        for x in [&[][..], &[7.0]] {
            network.gradient(&parameters, &training(x, x, 1.0), &mut gradient, &mut workspace)?;
            network.settle(&mut parameters, &gradient);
        }
        assert_eq!(parameters, network.initial(1));
        assert!(gradient.iter().all(|slope| slope.is_finite()));
        Ok(())
    }

    #[test]
    fn optimizers_leave_the_statistics_alone_also_inside_residuals() -> Result<()> {
        let inner: Vec<Arc<dyn Layer>> = vec![Arc::new(BatchNormalization::default()), Arc::new(Activation::Relu)];
        let layers: Vec<Arc<dyn Layer>> = vec![
            Arc::new(Dense { size: 3 }),
            Arc::new(Residual::new(Shape::Vector(3), inner)?),
            Arc::new(Dense { size: 2 }),
        ];
        let network = Network::new(Shape::Vector(2), layers, Loss::SquaredError {})?;
        assert!(network.has_statistics());
        // 9 parameters of the first layer, then scale and shift, then mean, variance and weight.
        assert!(network.statistics().into_iter().eq(std::iter::once(15..22)));
        assert_eq!(network.trained(), [0..15, 22..30]);
        let mut random = Random::new(3);
        let x: Vec<f32> = (0..8).map(|_| random.symmetric(1.0)).collect();
        let (start, mut workspace) = (network.initial(2), network.workspace(4));
        let mut gradient = vec![0.0; start.len()];
        network.gradient(&start, &training(&x, &x, 0.25), &mut gradient, &mut workspace)?;
        assert!(gradient[15..22].iter().all(|sum| *sum != 0.0));
        let (mut adam, mut sgd) = (start.clone(), start.clone());
        let mut optimizer = Adam::new(30).only(network.trained());
        optimizer.step(&mut adam, &gradient, 0.1);
        let mut optimizer = Sgd::new(30, 0.9, false).only(network.trained());
        optimizer.step(&mut sgd, &gradient, 0.1);
        for mut moved in [adam, sgd] {
            assert_eq!(moved[15..22], start[15..22]);
            assert!(moved[..12].iter().zip(&start).all(|(new, old)| new.to_bits() != old.to_bits()));
            network.settle(&mut moved, &gradient);
            assert!((15..21).all(|at| moved[at].to_bits() != start[at].to_bits()));
        }
        Ok(())
    }

    #[test]
    fn settings_are_checked() {
        for (epsilon, momentum) in [(0.0, 0.1), (f32::NAN, 0.1), (1e-5, 0.0), (1e-5, 1.5)] {
            assert!(BatchNormalization { epsilon, momentum }.output(Shape::Vector(1)).is_err());
        }
    }
}
