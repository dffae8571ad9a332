//! Feature transformers.

mod categories;
mod named;
mod numbers;
mod scaling;
mod selecting;
mod terms;
mod text;

pub use categories::{IndexStrings, OneHot};
pub use named::NameSlots;
pub use numbers::{Bucketize, Impute, StackNumbers};
pub use scaling::{Affine, Binarize, MinMax, Normalize};
pub use selecting::{Polynomial, Project, Slice, VectorSize};
pub use terms::{CountTerms, HashFeatures, WeightTerms};
pub use text::{RemoveStopWords, TokenizeText};
