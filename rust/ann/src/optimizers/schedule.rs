//! How the rate of learning changes while a network is trained.

/// How the rate changes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Schedule {
    /// It stays.
    Constant,
    /// It is multiplied by `factor` after every `steps` steps.
    Step {
        /// Number of steps.
        steps: usize,
        /// The factor.
        factor: f64,
    },
    /// It falls to 0 along half a cosine (Loshchilov and Hutter 2017).
    Cosine,
}

/// A schedule with a warm-up, in which the rate rises linearly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// The highest rate.
    pub rate: f64,
    /// How it changes after the warm-up.
    pub schedule: Schedule,
    /// Number of steps of the warm-up.
    pub warm_up: usize,
    /// Number of steps in all.
    pub steps: usize,
}

impl Rates {
    /// The rate of a step, counted from 0.
    pub fn at(&self, step: usize) -> f64 {
        if step < self.warm_up {
            return self.rate * (step + 1) as f64 / self.warm_up as f64;
        }
        let since = step - self.warm_up;
        match self.schedule {
            Schedule::Constant => self.rate,
            Schedule::Step { steps, factor } => self.rate * factor.powi((since / steps.max(1)) as i32),
            Schedule::Cosine => {
                let share = since as f64 / self.steps.saturating_sub(self.warm_up).max(1) as f64;
                self.rate * 0.5 * (1.0 + (std::f64::consts::PI * share.min(1.0)).cos())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_rise_and_fall() {
        let rates = |schedule, warm_up| {
            let rates = Rates { rate: 1.0, schedule, warm_up, steps: 10 };
            (0..11).map(|step| (rates.at(step) * 1000.0).round() / 1000.0).collect::<Vec<f64>>()
        };
        let close = |got: Vec<f64>, expected: &[f64]| got.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9);
        assert!(close(rates(Schedule::Constant, 4), &[0.25, 0.5, 0.75, 1.0, 1.0, 1.0]));
        assert!(close(rates(Schedule::Step { steps: 3, factor: 0.5 }, 0), &[1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25]));
        assert!(close(
            rates(Schedule::Cosine, 0),
            &[1.0, 0.976, 0.905, 0.794, 0.655, 0.5, 0.345, 0.206, 0.095, 0.024, 0.0]
        ));
        assert!(close(rates(Schedule::Step { steps: 0, factor: 0.5 }, 0), &[1.0, 0.5]));
    }
}
