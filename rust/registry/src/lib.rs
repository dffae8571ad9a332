//! The list of all stages, and programs built from them.

mod entry;
mod handle;
mod identity;
mod memo;
mod node;
mod program;
mod spec;
mod stages;

pub use entry::{AggregateWork, Built, BuiltAggregate, Entry};
pub use handle::{Handle, Portable, StagePlan};
pub use memo::clear as clear_memo;
pub use program::{Program, ProgramOutput};
pub use spec::{NodeSpec, ProgramSpec, Ref};
pub use stages::{find, stages};
