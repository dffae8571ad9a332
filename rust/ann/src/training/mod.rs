//! Training: rows in memory, the steps of the solvers, and the state that a training continues from.

mod augment;
mod baseline;
mod full_batch;
mod local;
mod method;
mod mini_batch;
mod reading;
mod rows;
mod settings;
mod state;
mod sums;
mod symmetric;
#[cfg(test)]
mod tests;
mod trainer;

pub use baseline::Baseline;
pub use reading::{Columns, Labels, Reader};
pub use rows::{Dataset, Part, Target};
pub use settings::{Settings, Solver};
pub use state::{Finish, Progress, State, StateReader, parameters_of};
pub use trainer::{Start, Trainer};
