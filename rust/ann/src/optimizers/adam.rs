//! Adam.

use std::ops::Range;

use super::single;
use crate::vectors::vectorized;

/// Adam (Kingma and Ba 2015).
#[derive(Debug, Clone)]
pub struct Adam {
    /// Decay of the mean of the gradient.
    pub beta_1: f32,
    /// Decay of the mean of its square.
    pub beta_2: f32,
    /// Keeps the step finite where the gradient is 0.
    pub epsilon: f32,
    means: Vec<f32>,
    squares: Vec<f32>,
    steps: i32,
    trained: Vec<Range<usize>>,
}

impl Adam {
    /// The optimizer for so many parameters, with the factors of the article.
    pub fn new(parameters: usize) -> Self {
        Self {
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-8,
            means: vec![0.0; parameters],
            squares: vec![0.0; parameters],
            steps: 0,
            trained: single(0..parameters),
        }
    }

    /// Changes only these parameters, [`Network::trained`](crate::Network::trained).
    #[must_use]
    pub fn only(self, trained: Vec<Range<usize>>) -> Self {
        Self { trained, ..self }
    }

    /// Number of steps so far.
    pub fn steps(&self) -> i32 {
        self.steps
    }

    /// The means of the gradient and of its square.
    pub fn vectors(&self) -> [&[f32]; 2] {
        [&self.means, &self.squares]
    }

    /// Goes on after so many steps with these means.
    pub fn resume(&mut self, steps: i32, means: Vec<f32>, squares: Vec<f32>) {
        (self.steps, self.means, self.squares) = (steps, means, squares);
    }

    /// Changes the parameters by one step of this rate.
    pub fn step(&mut self, parameters: &mut [f32], gradient: &[f32], rate: f32) {
        self.steps = self.steps.saturating_add(1);
        let unbiased = |beta: f32| (1.0 - f64::from(beta).powi(self.steps)) as f32;
        let factors = Factors {
            rate: rate / unbiased(self.beta_1),
            square: 1.0 / unbiased(self.beta_2),
            beta_1: self.beta_1,
            beta_2: self.beta_2,
            epsilon: self.epsilon,
        };
        for range in &self.trained {
            let (means, squares) = (&mut self.means[range.clone()], &mut self.squares[range.clone()]);
            update(&mut parameters[range.clone()], &gradient[range.clone()], means, squares, factors);
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Factors {
    rate: f32,
    square: f32,
    beta_1: f32,
    beta_2: f32,
    epsilon: f32,
}

/// Numbers below these are 0, since their squares or products would be subnormal, with which processors compute slowly. They are far
/// below [`Adam::epsilon`], so no step depends on them.
const TINY_SLOPE: f32 = 1e-18;
const TINY_MEAN: f32 = 1e-30;
const TINY_SQUARE: f32 = 1e-34;

/// The number, or 0 if it is smaller than a limit.
#[inline]
fn flushed(value: f32, limit: f32) -> f32 {
    if value.abs() < limit { 0.0 } else { value }
}

vectorized! {
    fn update(parameters: &mut [f32], gradient: &[f32], means: &mut [f32], squares: &mut [f32], factors: Factors) {
        let Factors { rate, square, beta_1, beta_2, epsilon } = factors;
        let moments = means.iter_mut().zip(squares.iter_mut());
        for ((parameter, slope), (mean, squared)) in parameters.iter_mut().zip(gradient).zip(moments) {
            let slope = flushed(*slope, TINY_SLOPE);
            *mean = flushed(beta_1 * *mean + (1.0 - beta_1) * slope, TINY_MEAN);
            *squared = flushed(beta_2 * *squared + (1.0 - beta_2) * slope * slope, TINY_SQUARE);
            *parameter -= rate * *mean / ((*squared * square).sqrt() + epsilon);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first steps of `torch.optim.Adam`, computed from the article's formula in `f64`.
    #[test]
    fn steps_are_those_of_the_formula() {
        let mut adam = Adam::new(1);
        let mut parameter = [1.0_f32];
        let (mut m, mut v, mut exact) = (0.0_f64, 0.0_f64, 1.0_f64);
        for (step, slope) in [0.5_f64, -0.2, 0.1, 2.0].into_iter().enumerate() {
            adam.step(&mut parameter, &[slope as f32], 0.01);
            let t = step as i32 + 1;
            m = 0.9 * m + 0.1 * slope;
            v = 0.999 * v + 0.001 * slope * slope;
            let (mean, square) = (m / (1.0 - 0.9_f64.powi(t)), v / (1.0 - 0.999_f64.powi(t)));
            exact -= 0.01 * mean / (square.sqrt() + 1e-8);
            assert!((f64::from(parameter[0]) - exact).abs() < 1e-6, "{step}: {} {exact}", parameter[0]);
        }
    }

    #[test]
    fn moments_are_never_subnormal() {
        let (mut adam, mut parameters) = (Adam::new(3), [1.0_f32; 3]);
        adam.step(&mut parameters, &[1e-3, 1e-20, -1e-17], 0.01);
        for _ in 0..2000 {
            adam.step(&mut parameters, &[0.0; 3], 0.01);
            assert!(adam.vectors().into_iter().flatten().all(|moment| *moment == 0.0 || moment.is_normal()));
        }
        assert!(adam.means.iter().all(|mean| *mean == 0.0));
        assert!((parameters[1] - 1.0).abs() < 1e-6);
    }

    #[test]
    fn other_parameters_stay() {
        let mut adam = Adam::new(4).only(vec![0..1, 3..4]);
        let mut parameters = [1.0; 4];
        adam.step(&mut parameters, &[1.0; 4], 0.5);
        assert_eq!(parameters.map(|p| p < 1.0), [true, false, false, true]);
    }
}
