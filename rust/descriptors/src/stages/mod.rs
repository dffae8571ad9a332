//! The stages.

mmlrs_core::stages! {
    image_set_augmenter: python ImageSetAugmenter;
    sequence_grouper: python SequenceGrouper;
    train_classifier: python TrainClassifier, python TrainedClassifierModel;
    train_regressor: python TrainRegressor, python TrainedRegressorModel;
    find_best_model: python FindBestModel, python BestModel;
    tune_hyperparameters: python TuneHyperparameters, python TuneHyperparametersModel;
    select_columns: python SelectColumns;
    drop_columns: python DropColumns;
    rename_column: python RenameColumn;
    cacher: python Cacher;
    checkpoint_data: python CheckpointData;
    repartition: python Repartition;
    stratified_repartition: python StratifiedRepartition;
    partition_consolidator: python PartitionConsolidator;
    partition_sample: python PartitionSample;
    explode: python Explode;
    class_balancer: python ClassBalancer, python ClassBalancerModel;
    ensemble_by_key: python EnsembleByKey;
    fixed_mini_batch_transformer: python FixedMiniBatchTransformer;
    dynamic_mini_batch_transformer: python DynamicMiniBatchTransformer;
    time_interval_mini_batch_transformer: python TimeIntervalMiniBatchTransformer;
    flatten_batch: python FlattenBatch;
    query: python Query;
    lambda: python Lambda;
    udf_transformer: python UDFTransformer;
    multi_column_adapter: python MultiColumnAdapter, python MultiColumnAdapterModel;
    timer: python Timer, python TimerModel;
    compiled_model: python CompiledModel;
}
