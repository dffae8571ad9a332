//! Descriptors of the stages whose work is a `DataFrame` operation written in Python.
//!
//! Each stage is declared like a native one; its Python subclass supplies `_transform_spark` and `_transform_table`, or
//! `_fit_spark` and `_fit_table`.

mod automl;
mod cacher;
mod checkpoint_data;
mod class_balancer;
mod class_balancer_model;
mod drop_columns;
mod dynamic_mini_batch_transformer;
mod ensemble_by_key;
mod explode;
mod fixed_mini_batch_transformer;
mod flatten_batch;
mod image_set_augmenter;
mod lambda;
mod multi_column_adapter;
mod multi_column_adapter_model;
mod partition_consolidator;
mod partition_sample;
mod query;
mod rename_column;
mod repartition;
mod sample_data;
mod select_columns;
mod stratified_repartition;
mod time_interval_mini_batch_transformer;
mod timer;
mod timer_model;
mod train;
mod udf_transformer;

pub use automl::{
    BestModel, ChosenParams, ComparisonParams, FindBestModel, TuneHyperparameters, TuneHyperparametersModel,
};
pub use cacher::Cacher;
pub use checkpoint_data::CheckpointData;
pub use class_balancer::ClassBalancer;
pub use class_balancer_model::ClassBalancerModel;
pub use drop_columns::DropColumns;
pub use dynamic_mini_batch_transformer::DynamicMiniBatchTransformer;
pub use ensemble_by_key::EnsembleByKey;
pub use explode::Explode;
pub use fixed_mini_batch_transformer::FixedMiniBatchTransformer;
pub use flatten_batch::FlattenBatch;
pub use image_set_augmenter::ImageSetAugmenter;
pub use lambda::Lambda;
pub use multi_column_adapter::MultiColumnAdapter;
pub use multi_column_adapter_model::MultiColumnAdapterModel;
pub use partition_consolidator::PartitionConsolidator;
pub use partition_sample::PartitionSample;
pub use query::Query;
pub use rename_column::RenameColumn;
pub use repartition::Repartition;
pub use select_columns::SelectColumns;
pub use stratified_repartition::StratifiedRepartition;
pub use time_interval_mini_batch_transformer::TimeIntervalMiniBatchTransformer;
pub use timer::Timer;
pub use timer_model::TimerModel;
pub use train::{
    TrainClassifier, TrainParams, TrainRegressor, TrainedClassifierModel, TrainedParams, TrainedRegressorModel,
};
pub use udf_transformer::UDFTransformer;
