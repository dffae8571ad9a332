//! Stochastic gradient descent with momentum.

use std::ops::Range;

use super::single;
use crate::vectors::vectorized;

/// Gradient descent with momentum (Polyak 1964), optionally Nesterov's, as in Sutskever et al. (2013): the velocity is momentum
/// times the velocity plus the gradient.
#[derive(Debug, Clone)]
pub struct Sgd {
    /// Share of the velocity that each step keeps.
    pub momentum: f32,
    /// Whether the step looks ahead along the velocity.
    pub is_nesterov: bool,
    /// Factor of the parameters that is added to the gradient.
    pub weight_decay: f32,
    velocity: Vec<f32>,
    trained: Vec<Range<usize>>,
}

impl Sgd {
    /// The optimizer for so many parameters.
    pub fn new(parameters: usize, momentum: f32) -> Self {
        // Without momentum there is no velocity to keep.
        let kept = if momentum == 0.0 { 0 } else { parameters };
        Self {
            momentum,
            is_nesterov: false,
            weight_decay: 0.0,
            velocity: vec![0.0; kept],
            trained: single(0..parameters),
        }
    }

    /// Changes only these parameters, [`Network::trained`](crate::Network::trained).
    #[must_use]
    pub fn only(self, trained: Vec<Range<usize>>) -> Self {
        Self { trained, ..self }
    }

    /// Changes the parameters by one step of this rate.
    pub fn step(&mut self, parameters: &mut [f32], gradient: &[f32], rate: f32) {
        for range in &self.trained {
            let (parameters, gradient) = (&mut parameters[range.clone()], &gradient[range.clone()]);
            if self.velocity.is_empty() {
                plain(parameters, gradient, rate, self.weight_decay);
            } else {
                let factors = [rate, self.momentum, self.weight_decay, f32::from(u8::from(self.is_nesterov))];
                with_velocity(parameters, gradient, &mut self.velocity[range.clone()], factors);
            }
        }
    }
}

vectorized! {
    fn plain(parameters: &mut [f32], gradient: &[f32], rate: f32, decay: f32) {
        for (parameter, slope) in parameters.iter_mut().zip(gradient) {
            *parameter -= rate * (slope + decay * *parameter);
        }
    }
}

vectorized! {
    fn with_velocity(parameters: &mut [f32], gradient: &[f32], velocity: &mut [f32], factors: [f32; 4]) {
        let [rate, momentum, decay, ahead] = factors;
        for ((parameter, slope), velocity) in parameters.iter_mut().zip(gradient).zip(velocity) {
            let slope = slope + decay * *parameter;
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
            let mut sgd = Sgd { is_nesterov, weight_decay: 0.1, ..Sgd::new(1, momentum) };
            let mut parameter = [1.0_f32];
            let (mut exact, mut velocity, m) = (1.0_f64, 0.0_f64, f64::from(momentum));
            for slope in [0.5_f64, -0.2, 0.1, 2.0] {
                sgd.step(&mut parameter, &[slope as f32], 0.05);
                let slope = slope + 0.1 * exact;
                velocity = m * velocity + slope;
                exact -= 0.05 * if is_nesterov { slope + m * velocity } else { velocity };
                assert!((f64::from(parameter[0]) - exact).abs() < 1e-5, "{momentum} {is_nesterov}");
            }
        }
    }

    #[test]
    fn other_parameters_stay() {
        for momentum in [0.0, 0.9] {
            let mut sgd = Sgd { weight_decay: 0.1, ..Sgd::new(4, momentum) }.only(vec![0..1, 3..4]);
            let mut parameters = [1.0; 4];
            sgd.step(&mut parameters, &[1.0; 4], 0.5);
            assert_eq!(parameters.map(|p| p < 1.0), [true, false, false, true]);
        }
    }
}
