//! Losses: what training makes small.

#![expect(clippy::inline_always, reason = "only code inlined into a vectorized loop uses its instruction set")]

use mmlrs_core::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::elementary::{sigmoid, softplus_tail};
use crate::shape::unfit;
use crate::vectors::{elementwise, exponentials, softmax, vectorized};

/// The loss of a row, from the last layer's values and the target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Loss {
    /// Softmax and cross-entropy: minus the logarithm of the probability of the right class. The last layer has one value per
    /// class.
    CrossEntropy {
        /// The share of each target that is spread over all classes, from 0 to below 1.
        #[serde(default)]
        smoothing: f32,
        /// A factor for the losses of the rows of each class; none means 1.
        #[serde(default)]
        class_weights: Option<Vec<f32>>,
    },
    /// Half the sum of squared differences, as in Spark's multilayer perceptron and Bishop (2006, 5.11).
    SquaredError {},
    /// The squared error for differences up to `delta`, and a linear one beyond it (Huber 1964), summed over the values.
    Huber {
        /// Where the loss becomes linear, above 0.
        #[serde(default = "one")]
        delta: f32,
    },
    /// Sigmoid and cross-entropy of each value with a target from 0 to 1, summed over the values.
    SigmoidCrossEntropy {},
}

fn one() -> f32 {
    1.0
}

/// The targets of a batch.
#[derive(Debug, Clone, Copy)]
pub enum Targets<'a> {
    /// The class of each row.
    Classes(&'a [u32]),
    /// The values of each row, one after the other.
    Values(&'a [f32]),
}

impl Targets<'_> {
    /// Number of rows, of `outputs` values each.
    pub fn rows(&self, outputs: usize) -> usize {
        match self {
            Self::Classes(classes) => classes.len(),
            Self::Values(values) => values.len() / outputs.max(1),
        }
    }
}

impl Loss {
    /// Checks the settings of the loss of a network with a number of outputs.
    ///
    /// # Errors
    /// A setting is outside its range, or there is not one weight per class.
    pub fn check(&self, outputs: usize) -> Result<()> {
        match self {
            Self::CrossEntropy { smoothing, .. } if !(0.0..1.0).contains(smoothing) => {
                Err(unfit(format!("the smoothing of a cross-entropy must be from 0 to below 1, got {smoothing}")))
            }
            Self::CrossEntropy { class_weights: Some(weights), .. } if weights.len() != outputs => {
                Err(unfit(format!("there are {} class weights, but the network has {outputs} outputs", weights.len())))
            }
            Self::CrossEntropy { class_weights: Some(weights), .. } => {
                match weights.iter().position(|weight| !(0.0..f32::INFINITY).contains(weight)) {
                    Some(class) => {
                        Err(unfit(format!("the weight of class {class} must be at least 0, got {}", weights[class])))
                    }
                    None => Ok(()),
                }
            }
            Self::Huber { delta } if !(*delta > 0.0 && delta.is_finite()) => {
                Err(unfit(format!("the delta of a Huber loss must be above 0, got {delta}")))
            }
            _ => Ok(()),
        }
    }

    /// Computes the sum over the rows of weight times loss, and writes its derivative by `outputs`, times `scale`, to `slopes`.
    /// `size` is the number of values per row. Without weights each row has the weight 1. The weight of the row's class is another
    /// factor.
    ///
    /// # Errors
    /// The targets are of the wrong kind, or a class is not below `size`.
    pub fn evaluate(&self, batch: &Batch<'_>, scale: f32, slopes: &mut [f32]) -> Result<f64> {
        if let Targets::Classes(classes) = batch.targets
            && let Some(row) = classes.iter().position(|class| *class as usize >= batch.size)
        {
            let (class, size) = (classes[row], batch.size);
            return Err(Error::runtime(format!("class {class}, but the network has {size} classes")).at_row(row));
        }
        evaluate_rows(self, batch, scale, slopes)
    }

    /// Multiplies directions of the rows' values by the second derivative of the weighted loss by these values, times `scale`. Each
    /// row has any number of directions, of `batch.size` values each. All losses are convex in the values, so the product with the
    /// direction itself is at least 0 for a positive scale.
    ///
    /// # Errors
    /// The targets are of the wrong kind.
    pub fn curve(&self, batch: &Batch<'_>, scale: f32, directions: &mut [f32]) -> Result<()> {
        curve_rows(self, batch, scale, directions)
    }

    /// Makes predictions of the outputs of a network, rows of `size` values: probabilities for the cross-entropies, by softmax or
    /// sigmoid, and no change for the others. `scratch` has at least `size` values.
    pub fn predict(&self, outputs: &mut [f32], size: usize, scratch: &mut [f32]) {
        match self {
            Self::CrossEntropy { .. } => softmax(outputs, size, scratch),
            Self::SigmoidCrossEntropy {} => sigmoids(outputs),
            Self::SquaredError {} | Self::Huber { .. } => {}
        }
    }
}

elementwise!(sigmoids, x => sigmoid(x));

/// The last layer's values of a batch, and the targets.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// The values.
    pub outputs: &'a [f32],
    /// Number of values per row.
    pub size: usize,
    /// The targets.
    pub targets: Targets<'a>,
    /// The weight of each row.
    pub weights: Option<&'a [f32]>,
}

/// Derivatives below this are 0: no parameter changes by so little, and products with them would be subnormal, with which
/// processors compute slowly. Rows that a network has learnt well have such derivatives.
const TINY: f32 = 1e-24;

vectorized! {
    fn evaluate_rows(loss: &Loss, batch: &Batch<'_>, scale: f32, slopes: &mut [f32]) -> Result<f64> {
        let Batch { outputs, size, targets, weights } = *batch;
        let mut sum = 0.0;
        for (row, (values, slopes)) in outputs.chunks_exact(size).zip(slopes.chunks_exact_mut(size)).enumerate() {
            let mut weight = weights.map_or(1.0, |weights| weights[row]);
            let loss = match (loss, targets) {
                (Loss::CrossEntropy { smoothing, class_weights }, Targets::Classes(classes)) => {
                    let class = classes[row] as usize;
                    weight *= class_weights.as_ref().map_or(1.0, |weights| weights[class]);
                    cross_entropy(values, class, *smoothing, slopes)
                }
                (Loss::SquaredError {}, Targets::Values(targets)) => {
                    summed(values, &targets[row * size..][..size], slopes, squared)
                }
                (Loss::Huber { delta }, Targets::Values(targets)) => {
                    let huber = |value, target| huber(value, target, *delta);
                    summed(values, &targets[row * size..][..size], slopes, huber)
                }
                (Loss::SigmoidCrossEntropy {}, Targets::Values(targets)) => {
                    summed(values, &targets[row * size..][..size], slopes, sigmoid_cross_entropy)
                }
                _ => return Err(Error::runtime("the targets are not those of the loss")),
            };
            sum += f64::from(weight) * loss;
            let factor = weight * scale;
            for slope in slopes {
                let scaled = *slope * factor;
                *slope = if scaled.abs() < TINY { 0.0 } else { scaled };
            }
        }
        Ok(sum)
    }
}

vectorized! {
    fn curve_rows(loss: &Loss, batch: &Batch<'_>, scale: f32, directions: &mut [f32]) -> Result<()> {
        let Batch { outputs, size, targets, weights } = *batch;
        let wide = directions.len() / (outputs.len() / size).max(1);
        let mut curves = vec![0.0; size];
        for (row, (values, directions)) in outputs.chunks_exact(size).zip(directions.chunks_exact_mut(wide)).enumerate() {
            let mut factor = scale * weights.map_or(1.0, |weights| weights[row]);
            match (loss, targets) {
                (Loss::CrossEntropy { class_weights, .. }, Targets::Classes(classes)) => {
                    factor *= class_weights.as_ref().map_or(1.0, |weights| weights[classes[row] as usize]);
                    let (_, sum) = exponentials(values, &mut curves);
                    for probability in &mut curves {
                        *probability /= sum as f32;
                    }
                    for direction in directions.chunks_exact_mut(size) {
                        let mean: f32 = direction.iter().zip(&curves).map(|(x, probability)| x * probability).sum();
                        for x in direction {
                            *x -= mean;
                        }
                    }
                }
                (Loss::SquaredError {}, Targets::Values(_)) => curves.fill(1.0),
                (Loss::Huber { delta }, Targets::Values(targets)) => {
                    for ((curve, value), target) in curves.iter_mut().zip(values).zip(&targets[row * size..]) {
                        *curve = f32::from(u8::from((value - target).abs() <= *delta));
                    }
                }
                (Loss::SigmoidCrossEntropy {}, Targets::Values(_)) => {
                    for (curve, value) in curves.iter_mut().zip(values) {
                        let probability = sigmoid(*value);
                        *curve = probability * (1.0 - probability);
                    }
                }
                _ => return Err(Error::runtime("the targets are not those of the loss")),
            }
            for direction in directions.chunks_exact_mut(size) {
                for (x, curve) in direction.iter_mut().zip(&curves) {
                    *x *= factor * curve;
                }
            }
        }
        Ok(())
    }
}

#[inline(always)]
fn cross_entropy(values: &[f32], class: usize, smoothing: f32, slopes: &mut [f32]) -> f64 {
    let (largest, sum) = exponentials(values, slopes);
    // -log of the softmax of a value.
    let logarithm = sum.ln() + f64::from(largest);
    let spread = smoothing / values.len() as f32;
    let factor = (1.0 / sum) as f32;
    for slope in slopes.iter_mut() {
        *slope = *slope * factor - spread;
    }
    slopes[class] -= 1.0 - smoothing;
    let right = logarithm - f64::from(values[class]);
    if smoothing == 0.0 {
        return right;
    }
    let mean = values.iter().map(|value| logarithm - f64::from(*value)).sum::<f64>() / values.len() as f64;
    f64::from(1.0 - smoothing) * right + f64::from(smoothing) * mean
}

/// Sums losses of a value and its target, and writes their derivatives.
#[inline(always)]
fn summed(values: &[f32], targets: &[f32], slopes: &mut [f32], of: impl Fn(f32, f32) -> (f64, f32)) -> f64 {
    const LANES: usize = 16;
    let mut sums = [0.0; LANES];
    for ((values, targets), slopes) in values.chunks(LANES).zip(targets.chunks(LANES)).zip(slopes.chunks_mut(LANES)) {
        for (((value, target), slope), sum) in values.iter().zip(targets).zip(slopes).zip(&mut sums) {
            let (loss, derivative) = of(*value, *target);
            *sum += loss;
            *slope = derivative;
        }
    }
    sums.iter().sum()
}

#[inline(always)]
fn squared(value: f32, target: f32) -> (f64, f32) {
    let off = value - target;
    (0.5 * f64::from(off) * f64::from(off), off)
}

/// The Huber loss of a value, and its derivative.
#[inline(always)]
pub fn huber(value: f32, target: f32, delta: f32) -> (f64, f32) {
    let off = value - target;
    let (size, limit) = (f64::from(off.abs()), f64::from(delta));
    let loss = if size <= limit { 0.5 * size * size } else { limit * (size - 0.5 * limit) };
    (loss, off.clamp(-delta, delta))
}

#[inline(always)]
fn sigmoid_cross_entropy(value: f32, target: f32) -> (f64, f32) {
    let larger = if value < 0.0 { 0.0 } else { value };
    let loss = f64::from(larger) - f64::from(value) * f64::from(target) + f64::from(softplus_tail(value));
    (loss, sigmoid(value) - target)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The loss and its derivatives.
    fn evaluated(loss: &Loss, outputs: &[f32], size: usize, targets: Targets<'_>) -> Result<(f64, Vec<f32>)> {
        let mut slopes = vec![0.0; outputs.len()];
        let batch = Batch { outputs, size, targets, weights: None };
        Ok((loss.evaluate(&batch, 1.0, &mut slopes)?, slopes))
    }

    fn assert_close(made: &(f64, Vec<f32>), loss: f64, slopes: &[f64]) {
        assert!((made.0 - loss).abs() < 1e-6, "{} instead of {loss}", made.0);
        assert_eq!(made.1.len(), slopes.len());
        assert!(made.1.iter().zip(slopes).all(|(made, right)| (f64::from(*made) - right).abs() < 1e-6), "{made:?}");
    }

    fn cross_entropy(smoothing: f32, weights: Option<[f32; 2]>) -> Loss {
        Loss::CrossEntropy { smoothing, class_weights: weights.map(Vec::from) }
    }

    /// Softmax makes 1/4 and 3/4 of 0 and log 3.
    const LOG_3: f32 = 1.098_612_3;

    #[test]
    fn losses_are_those_computed_by_hand() -> Result<()> {
        let (first, values) = (Targets::Classes(&[0]), Targets::Values(&[0.0, 1.0, 2.5]));
        assert_close(&evaluated(&cross_entropy(0.0, None), &[0.0, LOG_3], 2, first)?, 4.0_f64.ln(), &[-0.75, 0.75]);
        // Targets 0.9 and 0.1.
        let smoothed = -(0.9 * 0.25_f64.ln() + 0.1 * 0.75_f64.ln());
        assert_close(&evaluated(&cross_entropy(0.2, None), &[0.0, LOG_3], 2, first)?, smoothed, &[-0.65, 0.65]);
        assert_close(&evaluated(&Loss::SquaredError {}, &[1.0, -1.0, 2.5], 3, values)?, 2.5, &[1.0, -2.0, 0.0]);
        let huber = Loss::Huber { delta: 1.5 };
        assert_close(&evaluated(&huber, &[1.0, -1.0, 2.5], 3, values)?, 0.5 + 1.5 * (2.0 - 0.75), &[1.0, -1.5, 0.0]);
        let sigmoid = evaluated(&Loss::SigmoidCrossEntropy {}, &[LOG_3, 0.0], 2, Targets::Values(&[0.0, 0.5]))?;
        assert_close(&sigmoid, 4.0_f64.ln() + 2.0_f64.ln(), &[0.75, 0.0]);
        Ok(())
    }

    #[test]
    fn weights_multiply_the_losses_of_rows_and_classes() -> Result<()> {
        let outputs = [0.0, LOG_3, 0.0, LOG_3];
        let batch =
            Batch { outputs: &outputs, size: 2, targets: Targets::Classes(&[0, 1]), weights: Some(&[2.0, 0.5]) };
        let mut slopes = [0.0; 4];
        let loss = cross_entropy(0.0, Some([3.0, 4.0])).evaluate(&batch, 0.5, &mut slopes)?;
        let exact = 2.0 * 3.0 * 4.0_f64.ln() - 0.5 * 4.0 * 0.75_f64.ln();
        assert_close(&(loss, slopes.to_vec()), exact, &[-2.25, 2.25, 0.25, -0.25]);
        Ok(())
    }

    /// The loops work on 16 values at a time.
    #[test]
    fn rows_of_every_length_are_summed() -> Result<()> {
        for size in [1, 15, 16, 17, 40] {
            let outputs: Vec<f32> = (0..size).map(|at| (at % 5) as f32).collect();
            let targets = vec![1.0; size];
            let exact: f64 = outputs.iter().map(|x| 0.5 * f64::from(x - 1.0).powi(2)).sum();
            let slopes: Vec<f64> = outputs.iter().map(|x| f64::from(x - 1.0)).collect();
            assert_close(
                &evaluated(&Loss::SquaredError {}, &outputs, size, Targets::Values(&targets))?,
                exact,
                &slopes,
            );
            let sum: f64 = outputs.iter().map(|x| f64::from(*x).exp()).sum();
            let slopes: Vec<f64> = outputs
                .iter()
                .enumerate()
                .map(|(at, x)| f64::from(*x).exp() / sum - f64::from(u8::from(at == 0)))
                .collect();
            let loss = Loss::CrossEntropy { smoothing: 0.0, class_weights: None };
            assert_close(&evaluated(&loss, &outputs, size, Targets::Classes(&[0]))?, sum.ln(), &slopes);
        }
        Ok(())
    }

    #[test]
    fn extreme_outputs_have_finite_losses_and_nan_is_seen() -> Result<()> {
        let (loss, slopes) = evaluated(&cross_entropy(0.1, None), &[1e4, -1e4], 2, Targets::Classes(&[1]))?;
        assert!((loss - 0.95 * 2e4).abs() < 1.0 && slopes.iter().all(|slope| slope.is_finite()));
        let (loss, _) = evaluated(&Loss::SigmoidCrossEntropy {}, &[-1e4], 1, Targets::Values(&[1.0]))?;
        assert!((loss - 1e4).abs() < 1.0);
        for loss in [Loss::SquaredError {}, Loss::Huber { delta: 1.0 }, Loss::SigmoidCrossEntropy {}] {
            assert!(evaluated(&loss, &[f32::NAN], 1, Targets::Values(&[1.0]))?.0.is_nan(), "{loss:?}");
        }
        assert!(evaluated(&cross_entropy(0.0, None), &[f32::NAN, 0.0], 2, Targets::Classes(&[1]))?.0.is_nan());
        Ok(())
    }

    #[test]
    fn wrong_targets_are_refused() {
        let error = evaluated(&cross_entropy(0.0, None), &[0.0; 4], 2, Targets::Classes(&[1, 2])).expect_err("class 2");
        assert_eq!(error.to_string(), "row 1 of the batch: class 2, but the network has 2 classes");
        let error = evaluated(&Loss::SquaredError {}, &[0.0; 2], 2, Targets::Classes(&[1])).expect_err("classes");
        assert_eq!(error.message(), "the targets are not those of the loss");
    }

    #[test]
    fn predictions_are_probabilities_or_values() {
        let predicted = |loss: &Loss| {
            let mut outputs = [0.0, LOG_3];
            loss.predict(&mut outputs, 2, &mut [0.0; 2]);
            outputs.map(|value| (value * 1000.0).round() as i32)
        };
        assert_eq!(predicted(&cross_entropy(0.0, None)), [250, 750]);
        assert_eq!(predicted(&Loss::SigmoidCrossEntropy {}), [500, 750]);
        assert_eq!(predicted(&Loss::SquaredError {}), [0, 1099]);
    }
}
