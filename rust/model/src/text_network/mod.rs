//! Networks for texts: what they read, and how a column of strings runs through one.

pub mod model;
pub mod params;
pub mod plan;
pub mod pooling;
pub mod runs;
