//! Fitted stages of Spark ML and of other libraries as kernels: feature transformers, linear models, trees and the rest.
//!
//! A [`CompiledStep`](stages::CompiledStep) runs one of them, given as a definition: a JSON document that Python writes from
//! the params of the original. The numbers are those of the original, computed in double precision.

mod arrays;
mod definition;
mod features;
mod learners;
mod numbers;
mod sample;
pub mod stages;
mod step;
mod vectors;
