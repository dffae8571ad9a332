//! Networks for images: what they expect, and how a column of images runs through one.

pub mod batches;
pub mod classification;
pub mod input;
pub mod model;
pub mod normalization;
pub mod params;
pub mod plan;
mod vector_reader;
