//! Descriptors of the stages whose work is a `DataFrame` operation written in Python.
//!
//! Each stage is declared like a native one; its Python subclass supplies `_transform_spark` and `_transform_table`.

mod drop_columns;
mod image_set_augmenter;
mod rename_column;
mod sample_data;
mod select_columns;
mod train;

pub use drop_columns::DropColumns;
pub use image_set_augmenter::ImageSetAugmenter;
pub use rename_column::RenameColumn;
pub use select_columns::SelectColumns;
pub use train::{
    TrainClassifier, TrainParams, TrainRegressor, TrainedClassifierModel, TrainedParams, TrainedRegressorModel,
};
