//! The params of every stage that feeds texts to a network.

use mmlrs_macros::ParamGroup;

/// How a text becomes the input of a network, and which output is read.
#[derive(Debug, Clone, ParamGroup)]
pub struct TextInput {
    /// How the hidden states of a string's tokens are combined into one vector: "mean" of all tokens, "cls" for the first
    /// token, "max" for the largest value of each slot. Has no effect if the model's output is one vector per string already.
    #[param(default = "mean", one_of("mean", "cls", "max"))]
    pub pooling: String,
    /// Maximum number of tokens of a string, including special ones. Longer strings are truncated. If not set, the length in
    /// the tokenizer.json, else 512. sentence-transformers stores its length in `sentence_bert_config.json`, and it is often
    /// different. More tokens than the model has positions for are an error, which is raised before anything runs for up to
    /// 1,024 tokens.
    #[param(range(1, 1_048_576))]
    pub max_length: Option<usize>,
    /// The output or internal tensor to read. If not set, it is found as described above.
    #[param(non_empty)]
    pub output_tensor_name: Option<String>,
}
