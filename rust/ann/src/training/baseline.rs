//! What a network is compared with: the best answer that is the same for all rows.

use serde::Serialize;

use crate::loss::{Loss, huber};
use crate::reduce::MAX_MESSAGE_BYTES;

/// The best constant answer, from the targets of the training rows of all workers.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Baseline {
    /// Its mean loss; for the Huber loss, a bound of it: the loss of an error of one standard deviation. By Jensen's inequality the
    /// mean as the answer has at most that, because the loss is concave in the square of the error. `None` for very many outputs.
    pub loss: Option<f64>,
    /// Mean and standard deviation of each value, if the targets are values.
    pub values: Vec<[f64; 2]>,
}

/// The number of sums that describe the targets of a loss: the weight of each class, or of each value its sum and that of its
/// squares. 0 if they would be too many for a message.
pub fn count_of(loss: &Loss, outputs: usize) -> usize {
    let count = if matches!(loss, Loss::CrossEntropy { .. }) { outputs } else { 2 * outputs };
    if count <= MAX_MESSAGE_BYTES / (2 * size_of::<f64>()) { count } else { 0 }
}

impl Baseline {
    /// The answer for the sums over the rows of all workers, whose weights sum up to `weight`.
    pub fn of(loss: &Loss, sums: &[f64], weight: f64) -> Self {
        if sums.is_empty() {
            return Self::default();
        }
        if let Loss::CrossEntropy { smoothing, class_weights } = loss {
            let factor = |class: usize| class_weights.as_ref().map_or(1.0, |weights| f64::from(weights[class]));
            let counts: Vec<f64> = sums.iter().enumerate().map(|(class, sum)| factor(class) * sum).collect();
            let (total, smoothing) = (counts.iter().sum::<f64>(), f64::from(*smoothing));
            let share = |count: f64| (1.0 - smoothing) * count / total + smoothing / counts.len() as f64;
            let entropy: f64 = if total > 0.0 { counts.iter().map(|count| surprise(share(*count))).sum() } else { 0.0 };
            return Self { loss: Some(entropy * total / weight), values: Vec::new() };
        }
        let values: Vec<[f64; 2]> = sums
            .chunks_exact(2)
            .map(|sums| {
                let mean = sums[0] / weight;
                [mean, (sums[1] / weight - mean * mean).max(0.0).sqrt()]
            })
            .collect();
        let of_value = |[mean, deviation]: &[f64; 2]| match loss {
            Loss::SigmoidCrossEntropy {} => surprise(*mean) + surprise(1.0 - *mean),
            Loss::Huber { delta } => huber(*deviation as f32, 0.0, *delta).0,
            _ => 0.5 * deviation * deviation,
        };
        Self { loss: Some(values.iter().map(of_value).sum()), values }
    }

    /// The values of the last layer that give the answer, if the targets are values.
    pub fn outputs(&self, loss: &Loss) -> Vec<f32> {
        let of_value = |[mean, _]: &[f64; 2]| match loss {
            Loss::SigmoidCrossEntropy {} => {
                let share = mean.clamp(RARE, 1.0 - RARE);
                (share / (1.0 - share)).ln() as f32
            }
            _ => *mean as f32,
        };
        self.values.iter().map(of_value).collect()
    }
}

/// A probability that a training can leave in a few steps.
const RARE: f64 = 1e-3;

/// Minus p times the logarithm of p.
fn surprise(p: f64) -> f64 {
    if p > 0.0 { -p * p.ln() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::{Batch, Targets};

    /// The mean loss of rows that all have the same answer.
    fn loss_of(loss: &Loss, answer: &[f32], targets: Targets<'_>, weights: &[f32]) -> f64 {
        let outputs = answer.repeat(weights.len());
        let batch = Batch { outputs: &outputs, size: answer.len(), targets, weights: Some(weights) };
        let mut slopes = vec![0.0; outputs.len()];
        let sum = loss.evaluate(&batch, 1.0, &mut slopes).unwrap_or(f64::NAN);
        sum / weights.iter().map(|weight| f64::from(*weight)).sum::<f64>()
    }

    #[test]
    fn no_constant_answer_has_a_smaller_loss() {
        let (classes, weights) = ([0, 2, 2, 1, 2], [1.0, 0.5, 2.0, 1.0, 0.5]);
        let (sums, weight) = ([1.0, 1.0, 3.0], 5.0);
        for loss in [
            Loss::CrossEntropy { smoothing: 0.0, class_weights: None },
            Loss::CrossEntropy { smoothing: 0.2, class_weights: Some(vec![0.5, 2.0, 1.0]) },
        ] {
            let best = Baseline::of(&loss, &sums, weight).loss.unwrap_or(f64::NAN);
            let mut found = f64::INFINITY;
            for first in -40..=40 {
                for second in -40..=40 {
                    let answer = [first as f32 * 0.05, second as f32 * 0.05, 0.0];
                    found = found.min(loss_of(&loss, &answer, Targets::Classes(&classes), &weights));
                }
            }
            assert!((found - best).abs() < 2e-3 && found > best - 1e-6, "{found} {best}");
        }
    }

    #[test]
    fn the_answer_of_values_has_the_loss_of_their_mean() {
        let (values, weights) = ([0.25, 1.0, 0.75, 0.0], [1.0, 3.0]);
        let sums = [2.5, 0.0625 + 3.0 * 0.5625, 1.0, 1.0];
        for loss in [Loss::SquaredError {}, Loss::Huber { delta: 10.0 }, Loss::SigmoidCrossEntropy {}] {
            let best = Baseline::of(&loss, &sums, 4.0);
            let measured = loss_of(&loss, &best.outputs(&loss), Targets::Values(&values), &weights);
            assert!((measured - best.loss.unwrap_or(f64::NAN)).abs() < 1e-6, "{loss:?} {measured} {best:?}");
        }
        // Errors beyond the delta: the bound, which errors of one size reach.
        let loss = Loss::Huber { delta: 0.1 };
        let best = Baseline::of(&loss, &sums, 4.0);
        let measured = loss_of(&loss, &best.outputs(&loss), Targets::Values(&values), &weights);
        assert!(best.loss.is_some_and(|bound| measured < bound), "{measured} {best:?}");
        let best = Baseline::of(&loss, &[1.0, 1.0], 2.0);
        let measured = loss_of(&loss, &best.outputs(&loss), Targets::Values(&[0.0, 1.0]), &[1.0, 1.0]);
        assert!(best.loss.is_some_and(|bound| (measured - bound).abs() < 1e-6), "{measured} {best:?}");
        let best = Baseline::of(&Loss::SquaredError {}, &sums, 4.0);
        assert!((best.values[0][0] - 0.625).abs() < 1e-12);
        assert!((best.values[1][1] - 0.1875_f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn sums_that_no_message_holds_are_left_out() {
        let count = count_of(&Loss::SquaredError {}, 1 << 20);
        assert_eq!((count, count_of(&Loss::SquaredError {}, 3)), (0, 6));
        assert_eq!(Baseline::of(&Loss::SquaredError {}, &[], 1.0), Baseline::default());
    }
}
