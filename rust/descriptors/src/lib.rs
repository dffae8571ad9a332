//! Descriptors of the stages whose work is a `DataFrame` operation written in Python.
//!
//! Each stage is declared like a native one. Its Python subclass supplies `_transform_spark` and `_transform_table`, or
//! `_fit_spark` and `_fit_table`.

mod comparison;
mod sample;
pub mod stages;
mod training;
