//! The metrics of models: counts and errors that can be merged, and what follows from them.

pub mod classes;
pub mod classification;
pub mod kinds;
pub mod ranking;
pub mod regression;
pub mod scored;
pub mod scores;
