//! Networks that find objects: which of their outputs hold what, and how these become boxes.
//!
//! A [`head::Head`] describes the outputs. [`decode`] reads candidates from them, [`suppress`] removes all but the best of those
//! that overlap, and [`found`] holds the objects as a column.

mod arrange;
mod decode;
pub mod detector;
pub mod found;
mod head;
pub mod reader;
mod suppress;
