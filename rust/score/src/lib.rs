//! Fitted stages of Spark ML and of other libraries as kernels: feature transformers, linear models, trees and the rest.
//!
//! A [`CompiledStep`](stages::CompiledStep) runs one of them, given as a definition: a JSON document that Python writes from
//! the params of the original. The numbers are those of the original, computed in double precision.

#![expect(clippy::float_cmp, reason = "numbers are compared as the originals compare them")]
#![expect(clippy::neg_cmp_op_on_partial_ord, reason = "NaN fails every comparison")]

mod arrays;
mod definition;
mod features;
mod learners;
mod numbers;
mod sample;
pub mod stages;
mod step;
mod vectors;
