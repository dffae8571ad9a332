//! The state of a solver, and how another worker goes on with it.

use mmlrs_core::{Error, Result};

use super::mini_batch::Optimizer;
use super::settings::{Settings, Solver};
use super::state::Header;
use crate::network::Network;
use crate::optimizers::{Adam, Lbfgs, Sgd};

/// The state of the solver.
#[derive(Debug)]
pub enum Method {
    Lbfgs(Option<Lbfgs>),
    Descent,
    Batches(Optimizer),
}

impl Method {
    /// The solver at its beginning.
    pub fn of(settings: &Settings, network: &Network) -> Self {
        let (parameters, trained) = (network.parameter_count(), network.trained());
        let sgd = |momentum| Sgd::new(parameters, momentum, settings.nesterov).only(trained.clone());
        match settings.solver {
            Solver::Lbfgs => Self::Lbfgs(None),
            Solver::Descent => Self::Descent,
            Solver::Sgd => Self::Batches(Optimizer::Sgd(sgd(settings.momentum))),
            // The combiner is that of steps without momentum.
            Solver::SymSgd => Self::Batches(Optimizer::Sgd(sgd(0.0))),
            Solver::Adam | Solver::AdamW => Self::Batches(Optimizer::Adam(Adam::new(parameters).only(trained))),
        }
    }

    /// The vectors of a state. Numbers go to the header.
    pub fn saved(&self, header: &mut Header) -> Vec<&[f32]> {
        match self {
            Self::Lbfgs(Some(lbfgs)) => {
                header.loss = Some(lbfgs.loss);
                header.inverses = lbfgs.inverses();
                lbfgs.vectors()
            }
            Self::Lbfgs(None) | Self::Descent => Vec::new(),
            Self::Batches(Optimizer::Adam(adam)) => {
                header.steps = adam.steps();
                adam.vectors().into()
            }
            Self::Batches(Optimizer::Sgd(sgd)) => vec![sgd.velocity()],
        }
    }

    /// Goes on from a state, whose vectors come one after the other.
    ///
    /// # Errors
    /// The state lacks a vector.
    pub fn resume(&mut self, header: &Header, next: &mut dyn FnMut() -> Result<Vec<f32>>) -> Result<()> {
        match self {
            Self::Lbfgs(lbfgs) => {
                let mut resumed = |loss| {
                    let gradient = next()?;
                    let pairs = header.inverses.iter().map(|inverse| Ok((next()?, next()?, *inverse)));
                    Ok::<_, Error>(Lbfgs::resumed(loss, gradient, pairs.collect::<Result<_>>()?))
                };
                *lbfgs = header.loss.map(&mut resumed).transpose()?;
            }
            Self::Batches(Optimizer::Adam(adam)) => adam.resume(header.steps, next()?, next()?),
            Self::Batches(Optimizer::Sgd(sgd)) => sgd.resume(next()?),
            Self::Descent => {}
        }
        Ok(())
    }
}
