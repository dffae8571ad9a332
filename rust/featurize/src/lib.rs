//! Vectors and columns of tables: assembly, selection, cleaning, indexing, conversion and summaries.

mod assembler;
mod attributes;
mod clean_missing_data;
mod clean_missing_data_model;
mod count_selector;
mod count_selector_model;
mod data_conversion;
mod distinct;
mod featurize;
mod fill;
mod index_to_value;
mod java_text;
mod json_number;
mod levels;
mod metrics;
mod moments;
mod numbers;
mod order;
mod quantiles;
mod row;
mod sample;
mod summarize_data;
mod value_indexer;
mod value_indexer_model;

pub use assembler::FastVectorAssembler;
pub use clean_missing_data::CleanMissingData;
pub use clean_missing_data_model::CleanMissingDataModel;
pub use count_selector::CountSelector;
pub use count_selector_model::CountSelectorModel;
pub use data_conversion::DataConversion;
pub use featurize::{Featurize, FeaturizeModel};
pub use index_to_value::IndexToValue;
pub use metrics::{ComputeModelStatistics, ComputePerInstanceStatistics};
pub use summarize_data::SummarizeData;
pub use value_indexer::ValueIndexer;
pub use value_indexer_model::ValueIndexerModel;
