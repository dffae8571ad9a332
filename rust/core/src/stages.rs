//! The list of a crate's stages.

use crate::{Fit, HasSample, Stage, Summarize, Transform};

/// Receives the stages of a crate one by one. The keywords of [`stages!`](crate::stages) are these methods.
pub trait StageList {
    /// A stage whose work is a Rust kernel.
    fn transform<T: Stage + Transform + HasSample>(&mut self);
    /// An estimator whose work is a Rust kernel.
    fn fit<T: Fit + HasSample>(&mut self);
    /// A summary: a Rust kernel that describes all rows.
    fn summary<T: Summarize + HasSample>(&mut self);
    /// A stage whose work is written in Python.
    fn python<T: Stage + HasSample>(&mut self);
}

/// Declares the modules of a crate's stages, exports the stages and registers them: one line for each module, with the
/// stages in it and what each implements.
///
/// ```text
/// mmlrs_core::stages! {
///     unroll_image: transform UnrollImage;
///     count_selector: fit CountSelector, transform CountSelectorModel;
///     select_columns: python SelectColumns;
/// }
/// ```
#[macro_export]
macro_rules! stages {
    ($($module:ident: $($word:ident $stage:ident),+;)+) => {
        $(
            mod $module;
            pub use $module::{$($stage),+};
        )+

        /// Passes every stage of the list to the registry.
        pub fn register(list: &mut impl $crate::StageList) {
            $($($crate::StageList::$word::<$stage>(list);)+)+
        }
    };
}
