//! Losses: what training makes small.

use mmlrs_core::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::shape::unfit;
use crate::vectors::exponential;

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
    /// `size` is the number of values per row. Without weights each row has the weight 1.
    ///
    /// # Errors
    /// The targets are of the wrong kind, or a class is not below `size`.
    pub fn evaluate(&self, batch: &Batch<'_>, scale: f32, slopes: &mut [f32]) -> Result<f64> {
        let Batch { outputs, size, weights, .. } = *batch;
        let mut sum = 0.0;
        for (row, (values, slopes)) in outputs.chunks_exact(size).zip(slopes.chunks_exact_mut(size)).enumerate() {
            let weight = weights.map_or(1.0, |weights| weights[row]);
            let loss = self.row(values, batch.targets, row, slopes)?;
            sum += f64::from(weight) * loss;
            let factor = weight * scale;
            slopes.iter_mut().for_each(|slope| *slope *= factor);
        }
        Ok(sum)
    }

    fn row(&self, values: &[f32], targets: Targets<'_>, row: usize, slopes: &mut [f32]) -> Result<f64> {
        let size = values.len();
        match (self, targets) {
            (Self::CrossEntropy { smoothing, class_weights }, Targets::Classes(classes)) => {
                let class = classes[row] as usize;
                if class >= size {
                    return Err(Error::runtime(format!("a row has class {class}, but the network has {size} classes")));
                }
                let weight = class_weights.as_ref().map_or(1.0, |weights| weights[class]);
                let loss = cross_entropy(values, class, *smoothing, slopes);
                slopes.iter_mut().for_each(|slope| *slope *= weight);
                Ok(f64::from(weight) * loss)
            }
            (Self::SquaredError {}, Targets::Values(targets)) => {
                Ok(summed(values, &targets[row * size..], slopes, |difference| {
                    (0.5 * f64::from(difference).powi(2), difference)
                }))
            }
            (Self::Huber { delta }, Targets::Values(targets)) => {
                Ok(summed(values, &targets[row * size..], slopes, |difference| {
                    if difference.abs() <= *delta {
                        (0.5 * f64::from(difference).powi(2), difference)
                    } else {
                        let delta = *delta;
                        (
                            f64::from(delta) * (f64::from(difference.abs()) - 0.5 * f64::from(delta)),
                            delta.copysign(difference),
                        )
                    }
                }))
            }
            (Self::SigmoidCrossEntropy {}, Targets::Values(targets)) => {
                Ok(sigmoid_cross_entropy(values, &targets[row * size..], slopes))
            }
            _ => Err(Error::runtime("the targets are not those of the loss")),
        }
    }
}

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

fn cross_entropy(values: &[f32], class: usize, smoothing: f32, slopes: &mut [f32]) -> f64 {
    let largest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0_f64;
    for (slope, value) in slopes.iter_mut().zip(values) {
        *slope = exponential(value - largest);
        sum += f64::from(*slope);
    }
    // -log of the softmax of a value.
    let logarithm = sum.ln() + f64::from(largest);
    let spread = smoothing / values.len() as f32;
    let factor = (1.0 / sum) as f32;
    slopes.iter_mut().for_each(|slope| *slope = *slope * factor - spread);
    slopes[class] -= 1.0 - smoothing;
    let right = logarithm - f64::from(values[class]);
    if smoothing == 0.0 {
        return right;
    }
    let mean = values.iter().map(|value| logarithm - f64::from(*value)).sum::<f64>() / values.len() as f64;
    f64::from(1.0 - smoothing) * right + f64::from(smoothing) * mean
}

fn summed(values: &[f32], targets: &[f32], slopes: &mut [f32], of: impl Fn(f32) -> (f64, f32)) -> f64 {
    let mut sum = 0.0;
    for ((value, target), slope) in values.iter().zip(targets).zip(slopes) {
        let (loss, derivative) = of(value - target);
        sum += loss;
        *slope = derivative;
    }
    sum
}

fn sigmoid_cross_entropy(values: &[f32], targets: &[f32], slopes: &mut [f32]) -> f64 {
    let mut sum = 0.0;
    for ((value, target), slope) in values.iter().zip(targets).zip(slopes) {
        let (value, target) = (f64::from(*value), f64::from(*target));
        // log(1 + exp(-|x|)) does not overflow.
        let small = (-value.abs()).exp();
        sum += value.max(0.0) - value * target + small.ln_1p();
        let probability = if value >= 0.0 { 1.0 / (1.0 + small) } else { small / (1.0 + small) };
        *slope = (probability - target) as f32;
    }
    sum
}
