//! The list of stages.

use std::sync::LazyLock;

use mmlrs_core::{Error, Result};

use crate::Entry;

static STAGES: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    vec![
        Entry::native::<mmlrs_image::ImageTransformer>(),
        Entry::native::<mmlrs_image::UnrollImage>(),
        Entry::native::<mmlrs_image::UnrollBinaryImage>(),
        Entry::python::<mmlrs_frame::ImageSetAugmenter>(),
        Entry::native::<mmlrs_model::ImageFeaturizer>(),
        Entry::native::<mmlrs_model::ONNXModel>(),
        Entry::estimator::<mmlrs_text::TextFeaturizer>(),
        Entry::native::<mmlrs_text::TextFeaturizerModel>(),
        Entry::native::<mmlrs_text::MultiNGram>(),
        Entry::native::<mmlrs_text::PageSplitter>(),
        Entry::native::<mmlrs_text::TextPreprocessor>(),
        Entry::native::<mmlrs_text::UnicodeNormalize>(),
        Entry::native::<mmlrs_text::HuggingFaceTokenizer>(),
        Entry::native::<mmlrs_model::TextEmbedder>(),
        Entry::native::<mmlrs_table::FastVectorAssembler>(),
        Entry::estimator::<mmlrs_table::Featurize>(),
        Entry::native::<mmlrs_table::FeaturizeModel>(),
        Entry::estimator::<mmlrs_table::CountSelector>(),
        Entry::native::<mmlrs_table::CountSelectorModel>(),
        Entry::estimator::<mmlrs_table::CleanMissingData>(),
        Entry::native::<mmlrs_table::CleanMissingDataModel>(),
        Entry::estimator::<mmlrs_table::ValueIndexer>(),
        Entry::native::<mmlrs_table::ValueIndexerModel>(),
        Entry::native::<mmlrs_table::IndexToValue>(),
        Entry::native::<mmlrs_table::DataConversion>(),
        Entry::summary::<mmlrs_table::SummarizeData>(),
        Entry::python::<mmlrs_frame::TrainClassifier>(),
        Entry::python::<mmlrs_frame::TrainedClassifierModel>(),
        Entry::python::<mmlrs_frame::TrainRegressor>(),
        Entry::python::<mmlrs_frame::TrainedRegressorModel>(),
        Entry::summary::<mmlrs_table::ComputeModelStatistics>(),
        Entry::native::<mmlrs_table::ComputePerInstanceStatistics>(),
        Entry::python::<mmlrs_frame::FindBestModel>(),
        Entry::python::<mmlrs_frame::BestModel>(),
        Entry::python::<mmlrs_frame::TuneHyperparameters>(),
        Entry::python::<mmlrs_frame::TuneHyperparametersModel>(),
        Entry::python::<mmlrs_frame::SelectColumns>(),
        Entry::python::<mmlrs_frame::DropColumns>(),
        Entry::python::<mmlrs_frame::RenameColumn>(),
        Entry::python::<mmlrs_frame::Cacher>(),
        Entry::python::<mmlrs_frame::CheckpointData>(),
        Entry::python::<mmlrs_frame::Repartition>(),
        Entry::python::<mmlrs_frame::StratifiedRepartition>(),
        Entry::python::<mmlrs_frame::PartitionConsolidator>(),
        Entry::python::<mmlrs_frame::PartitionSample>(),
        Entry::python::<mmlrs_frame::Explode>(),
        Entry::python::<mmlrs_frame::ClassBalancer>(),
        Entry::python::<mmlrs_frame::ClassBalancerModel>(),
        Entry::python::<mmlrs_frame::EnsembleByKey>(),
        Entry::python::<mmlrs_frame::FixedMiniBatchTransformer>(),
        Entry::python::<mmlrs_frame::DynamicMiniBatchTransformer>(),
        Entry::python::<mmlrs_frame::TimeIntervalMiniBatchTransformer>(),
        Entry::python::<mmlrs_frame::FlattenBatch>(),
        Entry::python::<mmlrs_frame::Query>(),
        Entry::python::<mmlrs_frame::Lambda>(),
        Entry::python::<mmlrs_frame::UDFTransformer>(),
        Entry::python::<mmlrs_frame::MultiColumnAdapter>(),
        Entry::python::<mmlrs_frame::MultiColumnAdapterModel>(),
        Entry::python::<mmlrs_frame::Timer>(),
        Entry::python::<mmlrs_frame::TimerModel>(),
        Entry::native::<crate::identity::Identity>(),
    ]
});

/// Every stage.
pub fn stages() -> &'static [Entry] {
    &STAGES
}

/// The stage of that class name.
pub fn find(name: &str) -> Result<&'static Entry> {
    STAGES
        .iter()
        .find(|entry| entry.spec().name == name)
        .ok_or_else(|| Error::param("stage", format!("there is no stage named {name}")))
}
