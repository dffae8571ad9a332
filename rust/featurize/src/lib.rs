//! Converts columns of data to features: assembly, selection, cleaning, indexing, conversion and summaries. Also computes the
//! metrics of models.

mod attributes;
mod distinct;
mod fill;
mod json_number;
mod levels;
mod metrics;
mod moments;
mod numbers;
mod order;
mod quantiles;
mod row;
mod sample;
pub mod stages;
