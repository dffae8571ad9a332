//! The one list of stages, and programs made of them.

mod entry;
mod identity;
mod memo;
mod node;
mod program;
mod stages;

pub use entry::{AggregateWork, Built, BuiltAggregate, Entry};
pub use memo::clear as clear_memo;
pub use program::{Program, ProgramOutput};
pub use stages::{find, stages};
