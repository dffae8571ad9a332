//! The stages.

mmlrs_core::stages! {
    text_featurizer: fit TextFeaturizer, transform TextFeaturizerModel;
    multi_n_gram: transform MultiNGram;
    page_splitter: transform PageSplitter;
    text_preprocessor: transform TextPreprocessor;
    unicode_normalize: transform UnicodeNormalize;
    hugging_face_tokenizer: transform HuggingFaceTokenizer;
}
