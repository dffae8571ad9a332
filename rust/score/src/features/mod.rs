//! Feature transformers.

mod categories;
mod encoding;
mod filling;
mod named;
mod numbers;
mod operations;
mod products;
mod scaling;
mod selecting;
mod slots;
mod stacking;
mod terms;
mod text;

pub use categories::{IndexStrings, OneHot};
pub use encoding::Encode;
pub use filling::{Fill, FillText};
pub use named::NameSlots;
pub use numbers::{Bucketize, Impute, StackNumbers};
pub use products::Products;
pub use scaling::{Affine, Binarize, MinMax, Normalize};
pub use selecting::{Polynomial, Project, Slice, VectorSize};
pub use slots::IndexSlots;
pub use stacking::Stack;
pub use terms::{CountTerms, HashFeatures, WeightTerms};
pub use text::{RemoveStopWords, TokenizeText};
