//! The stages.

mmlrs_core::stages! {
    fast_vector_assembler: transform FastVectorAssembler;
    featurize: fit Featurize, transform FeaturizeModel;
    count_selector: fit CountSelector, transform CountSelectorModel;
    clean_missing_data: fit CleanMissingData, transform CleanMissingDataModel;
    value_indexer: fit ValueIndexer, transform ValueIndexerModel;
    index_to_value: transform IndexToValue;
    data_conversion: transform DataConversion;
    summarize_data: summary SummarizeData;
    compute_model_statistics: summary ComputeModelStatistics;
    compute_per_instance_statistics: transform ComputePerInstanceStatistics;
}
