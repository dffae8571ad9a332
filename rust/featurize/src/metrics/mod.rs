//! The metrics of models, computed from counts and errors that can be merged.

pub mod classes;
pub mod classification;
pub mod kinds;
pub mod ranking;
pub mod regression;
pub mod scored;
pub mod scores;
