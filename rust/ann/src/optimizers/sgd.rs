//! Stochastic gradient descent with momentum.

use std::ops::Range;

use super::single;
use crate::vectors::{add_scaled, vectorized};

/// Gradient descent with momentum (Polyak 1964), optionally Nesterov's, as in Sutskever et al. (2013): the velocity is momentum
/// times the velocity plus the gradient.
#[derive(Debug, Clone)]
pub struct Sgd {
    /// Share of the velocity that each step keeps.
    pub momentum: f32,
    /// Whether the step looks ahead along the velocity.
    pub is_nesterov: bool,
    velocity: Vec<f32>,
    trained: Vec<Range<usize>>,
}

impl Sgd {
    /// The optimizer for so many parameters.
    pub fn new(parameters: usize, momentum: f32, is_nesterov: bool) -> Self {
        // Without momentum there is no velocity to keep.
        let kept = if momentum == 0.0 { 0 } else { parameters };
        Self { momentum, is_nesterov, velocity: vec![0.0; kept], trained: single(0..parameters) }
    }

    /// Changes only these parameters, [`Network::trained`](crate::Network::trained).
    #[must_use]
    pub fn only(self, trained: Vec<Range<usize>>) -> Self {
        Self { trained, ..self }
    }

    /// The velocity; empty without momentum.
    pub fn velocity(&self) -> &[f32] {
        &self.velocity
    }

    /// Goes on with this velocity.
    pub fn resume(&mut self, velocity: Vec<f32>) {
        self.velocity = velocity;
    }

    /// Changes the parameters by one step of this rate.
    pub fn step(&mut self, parameters: &mut [f32], gradient: &[f32], rate: f32) {
        for range in &self.trained {
            let (parameters, gradient) = (&mut parameters[range.clone()], &gradient[range.clone()]);
            if self.velocity.is_empty() {
                add_scaled(parameters, -rate, gradient);
            } else {
                let factors = [rate, self.momentum, f32::from(u8::from(self.is_nesterov))];
                with_velocity(parameters, gradient, &mut self.velocity[range.clone()], factors);
            }
        }
    }
}

vectorized! {
    fn with_velocity(parameters: &mut [f32], gradient: &[f32], velocity: &mut [f32], factors: [f32; 3]) {
        let [rate, momentum, ahead] = factors;
        for ((parameter, slope), velocity) in parameters.iter_mut().zip(gradient).zip(velocity) {
            *velocity = momentum * *velocity + slope;
            // Nesterov's step is the gradient plus momentum times the new velocity.
            *parameter -= rate * (ahead * (slope + momentum * *velocity) + (1.0 - ahead) * *velocity);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The formulas of `torch.optim.SGD`, in `f64`.
    #[test]
    fn steps_are_those_of_the_formula() {
        for (momentum, is_nesterov) in [(0.0, false), (0.9, false), (0.9, true)] {
            let mut sgd = Sgd::new(1, momentum, is_nesterov);
            let mut parameter = [1.0_f32];
            let (mut exact, mut velocity, m) = (1.0_f64, 0.0_f64, f64::from(momentum));
            for slope in [0.5_f64, -0.2, 0.1, 2.0] {
                sgd.step(&mut parameter, &[slope as f32], 0.05);
                velocity = m * velocity + slope;
                exact -= 0.05 * if is_nesterov { slope + m * velocity } else { velocity };
                assert!((f64::from(parameter[0]) - exact).abs() < 1e-5, "{momentum} {is_nesterov}");
            }
        }
    }

    #[test]
    fn other_parameters_stay() {
        for momentum in [0.0, 0.9] {
            let mut sgd = Sgd::new(4, momentum, false).only(vec![0..1, 3..4]);
            let mut parameters = [1.0; 4];
            sgd.step(&mut parameters, &[1.0; 4], 0.5);
            assert_eq!(parameters.map(|p| p < 1.0), [true, false, false, true]);
        }
    }
}
