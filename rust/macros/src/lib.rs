//! `#[derive(Stage)]`: a Rust struct becomes a stage descriptor and a typed params parser.
//!
//! The macro makes data and never writes files. Everything it needs stands on the struct:
//!
//! * the struct's doc comment: what the stage does; `#[stage(module = "...", kind = transformer|estimator|model|summary,
//!   model = TheModel, body = native|extended|python, rows = kept|changed, columns = kept|changed, example = "...")]`, where
//!   `model` names the class that an estimator fits. What else is special about the stage is a tag with its reason,
//!   `requires_rows = "no rows have no metrics"`: see `mmlrs_core::Tag`;
//! * each field: its doc comment, its type, and `#[param(default = ..., range(min, max), above(x), one_of("a", "b"), one_of(&LIST),
//!   non_empty, role = input|output, accepts(image, binary))]`. `default = uid("_output")` is the stage's uid followed
//!   by that text, `default = python("...")` a value that the Python class knows and the text describes. An `Option<T>`
//!   field is an optional param. `#[param(group)]` takes the params of a `ParamGroup`, and `#[param(cache)]` is a field
//!   that is no param but what the stage works out once, `Default` at first. A group is what `#[derive(ParamGroup)]` makes
//!   of a struct with such fields; its params carry its name.

mod expand;
mod parse;
#[cfg(test)]
mod tests;

use proc_macro::TokenStream;

/// Derives `mmlrs_core::Stage`; see the crate's documentation for the attributes.
#[proc_macro_derive(Stage, attributes(stage, param))]
pub fn derive_stage(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    parse::StageInput::parse(&input)
        .map_or_else(|error| error.to_compile_error(), |stage| expand::expand(&stage))
        .into()
}

/// Derives `mmlrs_core::ParamGroup`: params that several stages share, each declared as a stage's are.
#[proc_macro_derive(ParamGroup, attributes(param))]
pub fn derive_param_group(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    parse::fields_of(&input)
        .map_or_else(|error| error.to_compile_error(), |fields| expand::expand_group(&input.ident, &fields))
        .into()
}
