//! `#[derive(Stage)]`: turns a Rust struct into a stage descriptor and a parser of typed params.
//!
//! The macro produces data and never writes files. Everything it needs is on the struct:
//!
//! * The struct's doc comment describes the stage. The attribute is `#[stage(module = "...", kind =
//!   transformer|estimator|model|summary, model = TheModel, body = native|extended|python, rows = kept|changed, columns =
//!   kept|changed, example = "...")]`, where `model` names the class that an estimator fits. Any other special property of the
//!   stage is a tag with its reason, such as `requires_rows = "no rows have no metrics"`. See `mmlrs_core::Tag`.
//! * Each field has a doc comment, a type, and `#[param(default = ..., range(min, max), above(x), one_of("a", "b"),
//!   one_of(&LIST), non_empty, role = input|output, accepts(image, binary))]`. `default = uid("_output")` is the stage's uid
//!   followed by that suffix. `default = python("...")` is a value that the Python class computes; the string describes it. An
//!   `Option<T>` field is an optional param. `#[param(group)]` includes the params of a `ParamGroup`. `#[param(cache)]` marks a
//!   field that is not a param but a value that the stage computes once; it starts as `Default`. `#[derive(ParamGroup)]` turns
//!   a struct with such fields into a group; its params carry the name of the group.

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

/// Derives `mmlrs_core::ParamGroup`: params that several stages share, each declared like the params of a stage.
#[proc_macro_derive(ParamGroup, attributes(param))]
pub fn derive_param_group(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    parse::fields_of(&input)
        .map_or_else(|error| error.to_compile_error(), |fields| expand::expand_group(&input.ident, &fields))
        .into()
}
