//! L-BFGS.

use std::collections::VecDeque;

use mmlrs_core::Result;

use super::Objective;
use super::line_search::{Point, search};
use crate::vectors::{add_scaled, dot};

/// Number of past steps that approximate the curvature, as in Spark.
const HISTORY: usize = 10;
/// Share of the parameters' length below which rounding loses a step.
const LOST: f64 = 1e-6;
/// Share of the loss that the first step should remove, if a shorter one would be lost.
const REMOVED: f64 = 1e-3;

/// Limited-memory BFGS (Nocedal and Wright 2006, algorithm 7.5) with a line search for the strong Wolfe conditions.
#[derive(Debug, Clone)]
pub struct Lbfgs {
    /// The loss at the parameters.
    pub loss: f64,
    gradient: Vec<f32>,
    /// The last steps, with the changes of the gradient, and 1 over their product.
    history: VecDeque<(Vec<f32>, Vec<f32>, f64)>,
}

/// What an iteration did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step {
    /// The loss became smaller, by this share.
    Smaller(f64),
    /// No step makes the loss smaller: it is a minimum, or as close to one as rounding allows.
    Minimum,
}

impl Lbfgs {
    /// Starts at these parameters, with one evaluation.
    pub fn start(parameters: &[f32], objective: &mut dyn Objective) -> Result<Self> {
        let mut gradient = vec![0.0; parameters.len()];
        let loss = objective.evaluate(parameters, &mut gradient)?;
        Ok(Self { loss, gradient, history: VecDeque::with_capacity(HISTORY) })
    }

    /// Goes on with the loss and gradient at the parameters, and with steps, changes of the gradient and 1 over their products.
    pub fn resumed(loss: f64, gradient: Vec<f32>, history: Vec<(Vec<f32>, Vec<f32>, f64)>) -> Self {
        Self { loss, gradient, history: history.into() }
    }

    /// 1 over the product of each step with the change of the gradient.
    pub fn inverses(&self) -> Vec<f64> {
        self.history.iter().map(|(.., inverse)| *inverse).collect()
    }

    /// The gradient, then the steps and the changes of the gradient.
    pub fn vectors(&self) -> Vec<&[f32]> {
        let pairs = self.history.iter().flat_map(|(step, change, _)| [&step[..], &change[..]]);
        std::iter::once(&self.gradient[..]).chain(pairs).collect()
    }

    /// Length of the gradient.
    pub fn gradient_norm(&self) -> f64 {
        dot(&self.gradient, &self.gradient).sqrt()
    }

    /// Does one iteration, which changes the parameters.
    pub fn step(&mut self, parameters: &mut Vec<f32>, objective: &mut dyn Objective) -> Result<Step> {
        let direction = self.direction();
        let slope = dot(&self.gradient, &direction);
        if slope.is_nan() || slope >= 0.0 {
            if self.history.is_empty() {
                return Ok(Step::Minimum);
            }
            // The curvature that was learnt is wrong here.
            self.history.clear();
            return self.step(parameters, objective);
        }
        let first = if self.history.is_empty() { self.first_step(parameters) } else { 1.0 };
        let (mut trial, mut gradient) = (parameters.clone(), vec![0.0; direction.len()]);
        let start = Point { step: 0.0, loss: self.loss, slope };
        let found = search(start, first, |step| {
            trial.copy_from_slice(parameters);
            add_scaled(&mut trial, step as f32, &direction);
            gradient.fill(0.0);
            let loss = objective.evaluate(&trial, &mut gradient)?;
            Ok(Point { step, loss, slope: dot(&gradient, &direction) })
        })?;
        let Some(point) = found else {
            if self.history.is_empty() {
                return Ok(Step::Minimum);
            }
            self.history.clear();
            return self.step(parameters, objective);
        };
        let improvement = (self.loss - point.loss) / self.loss.abs().max(point.loss.abs()).max(f64::MIN_POSITIVE);
        self.remember((&trial, &gradient), parameters);
        (*parameters, self.gradient, self.loss) = (trial, gradient, point.loss);
        Ok(Step::Smaller(improvement))
    }

    /// The first step to try without a history, when the length of the direction means nothing: as long as the gradient, and at
    /// most 1. If that is lost in rounding, it removes a share of the loss if the loss is linear.
    fn first_step(&self, parameters: &[f32]) -> f64 {
        let norm = self.gradient_norm();
        let step = (1.0 / norm).min(1.0);
        if step * norm >= LOST * dot(parameters, parameters).sqrt() {
            return step;
        }
        step.max(REMOVED * self.loss.abs() / (norm * norm)).min(f64::from(f32::MAX) / 10.0)
    }

    /// The two-loop recursion (Nocedal and Wright 2006, algorithm 7.4).
    fn direction(&self) -> Vec<f32> {
        let mut direction: Vec<f32> = self.gradient.iter().map(|slope| -slope).collect();
        let mut factors = Vec::with_capacity(self.history.len());
        for (step, change, inverse) in self.history.iter().rev() {
            let factor = inverse * dot(step, &direction);
            add_scaled(&mut direction, -factor as f32, change);
            factors.push(factor);
        }
        if let Some((_, change, inverse)) = self.history.back() {
            let scale = (1.0 / (inverse * dot(change, change))) as f32;
            for value in &mut direction {
                *value *= scale;
            }
        }
        for ((step, change, inverse), factor) in self.history.iter().zip(factors.iter().rev()) {
            let back = inverse * dot(change, &direction);
            add_scaled(&mut direction, (factor - back) as f32, step);
        }
        direction
    }

    fn remember(&mut self, (new, gradient): (&[f32], &[f32]), parameters: &[f32]) {
        let difference =
            |new: &[f32], old: &[f32]| new.iter().zip(old).map(|(new, old)| new - old).collect::<Vec<f32>>();
        let (step, change) = (difference(new, parameters), difference(gradient, &self.gradient));
        let product = dot(&step, &change);
        // The conditions of the search make it positive, unless all that is left is rounding.
        if product <= f64::from(f32::EPSILON) * dot(&change, &change).sqrt() * dot(&step, &step).sqrt() {
            return;
        }
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back((step, change, 1.0 / product));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_valley_of_rosenbrock_leads_to_its_minimum() -> Result<()> {
        let mut evaluations = 0;
        let mut valley = |x: &[f32], gradient: &mut [f32]| {
            evaluations += 1;
            let mut loss = 0.0;
            for at in 0..x.len() - 1 {
                let (a, b) = (f64::from(x[at]), f64::from(x[at + 1]));
                loss += 100.0 * (b - a * a).powi(2) + (1.0 - a).powi(2);
                gradient[at] += (-400.0 * a * (b - a * a) - 2.0 * (1.0 - a)) as f32;
                gradient[at + 1] += (200.0 * (b - a * a)) as f32;
            }
            Ok(loss)
        };
        let mut parameters = vec![-1.2, 1.0, -1.2, 1.0, 0.0, 2.0];
        let mut lbfgs = Lbfgs::start(&parameters, &mut valley)?;
        for _ in 0..200 {
            match lbfgs.step(&mut parameters, &mut valley)? {
                Step::Smaller(share) if share > 1e-6 => {}
                _ => break,
            }
        }
        assert!(lbfgs.loss < 1e-6, "{lbfgs:?}");
        assert!(parameters.iter().all(|x| (x - 1.0).abs() < 1e-2));
        assert!(evaluations < 400, "{evaluations}");
        Ok(())
    }

    #[test]
    fn a_first_step_is_not_lost_in_rounding() -> Result<()> {
        for scale in [1e-4_f64, 1e-9, 1e-15] {
            let mut line = |x: &[f32], gradient: &mut [f32]| {
                let apart = scale * f64::from(x[0]) - 1.0;
                gradient[0] = (2.0 * scale * apart) as f32;
                Ok(apart * apart)
            };
            let mut parameters = vec![1.0];
            let mut lbfgs = Lbfgs::start(&parameters, &mut line)?;
            for _ in 0..20 {
                lbfgs.step(&mut parameters, &mut line)?;
            }
            assert!(lbfgs.loss < 1e-6, "{scale}: {lbfgs:?}");
        }
        Ok(())
    }

    #[test]
    fn a_minimum_stays() -> Result<()> {
        let mut bowl = |x: &[f32], gradient: &mut [f32]| {
            gradient[0] = 2.0 * x[0];
            Ok(f64::from(x[0]).powi(2))
        };
        let mut parameters = vec![0.0];
        let mut lbfgs = Lbfgs::start(&parameters, &mut bowl)?;
        assert_eq!(lbfgs.step(&mut parameters, &mut bowl)?, Step::Minimum);
        assert_eq!(parameters, [0.0]);
        Ok(())
    }
}
