//! Vectors and columns of tables: assembly, selection, cleaning, indexing, conversion and summaries.

mod assembler;
mod attributes;
mod count_selector;
mod count_selector_model;
mod featurize;
mod numbers;
mod row;
mod sample;

pub use assembler::FastVectorAssembler;
pub use count_selector::CountSelector;
pub use count_selector_model::CountSelectorModel;
pub use featurize::{Featurize, FeaturizeModel};
