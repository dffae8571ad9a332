//! Generates the `Stage` implementation.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Expr, Ident};

use crate::parse::{Constraint, Default, FieldInput, FieldKind, ParamInput, StageInput};

pub fn expand(stage: &StageInput) -> TokenStream {
    let ident = &stage.ident;
    let name = ident.to_string();
    let StageInput { doc, module, kind, body, rows, columns, example, .. } = stage;
    let model = stage.model.as_ref().map_or_else(
        || quote!(None),
        |model| {
            let model = model.to_string();
            quote!(Some(#model))
        },
    );
    let specs: Vec<TokenStream> = stage.fields.iter().map(|field| spec_of(field, None)).collect();
    let tags = stage.tags.iter().map(|(tag, reason)| quote!((::mmlrs_core::Tag::#tag, #reason)));
    let reads: Vec<TokenStream> = stage.fields.iter().map(read_of).collect();
    let inputs: Vec<TokenStream> = stage.fields.iter().filter_map(input_of).collect();
    let policy = policy_of(&stage.fields);
    quote! {
        impl ::mmlrs_core::Stage for #ident {
            fn spec() -> &'static ::mmlrs_core::StageSpec {
                static SPEC: ::std::sync::LazyLock<::mmlrs_core::StageSpec> = ::std::sync::LazyLock::new(|| {
                    let mut params: ::std::vec::Vec<::mmlrs_core::ParamSpec> = ::std::vec::Vec::new();
                    #(#specs)*
                    ::mmlrs_core::StageSpec {
                        name: #name,
                        module: #module,
                        doc: #doc,
                        kind: ::mmlrs_core::Kind::#kind,
                        body: ::mmlrs_core::Body::#body,
                        rows: ::mmlrs_core::Rows::#rows,
                        columns: ::mmlrs_core::Columns::#columns,
                        tags: &[#(#tags),*],
                        model: #model,
                        params,
                        example: #example,
                    }
                });
                &SPEC
            }

            fn from_params(params: &::mmlrs_core::ParamMap) -> ::mmlrs_core::Result<Self> {
                let spec = <Self as ::mmlrs_core::Stage>::spec();
                let specs = &spec.params;
                let parsed: ::mmlrs_core::Result<Self> = (|| {
                    params.check_names(specs)?;
                    Ok(Self { #(#reads),* })
                })();
                parsed.map_err(|error| error.at_stage(spec.name))
            }

            fn inputs(&self) -> ::std::vec::Vec<(&'static str, ::std::string::String)> {
                let mut columns: ::std::vec::Vec<(&'static str, ::std::string::String)> = ::std::vec::Vec::new();
                #(#inputs)*
                columns
            }

            fn row_policy(&self) -> ::mmlrs_core::RowPolicy {
                #policy.unwrap_or_default()
            }
        }
    }
}

/// The `ParamGroup` implementation of a struct whose fields are params.
pub fn expand_group(ident: &Ident, fields: &[FieldInput]) -> TokenStream {
    let specs: Vec<TokenStream> = fields.iter().map(|field| spec_of(field, Some(ident))).collect();
    let reads: Vec<TokenStream> = fields.iter().map(read_of).collect();
    let inputs: Vec<TokenStream> = fields.iter().filter_map(input_of).collect();
    let policy = policy_of(fields);
    quote! {
        impl ::mmlrs_core::ParamGroup for #ident {
            fn specs() -> ::std::vec::Vec<::mmlrs_core::ParamSpec> {
                let mut params: ::std::vec::Vec<::mmlrs_core::ParamSpec> = ::std::vec::Vec::new();
                #(#specs)*
                params
            }

            fn from_params(params: &::mmlrs_core::ParamMap) -> ::mmlrs_core::Result<Self> {
                let specs = &<Self as ::mmlrs_core::ParamGroup>::specs();
                Ok(Self { #(#reads),* })
            }

            fn inputs(&self) -> ::std::vec::Vec<(&'static str, ::std::string::String)> {
                let mut columns: ::std::vec::Vec<(&'static str, ::std::string::String)> = ::std::vec::Vec::new();
                #(#inputs)*
                columns
            }

            fn row_policy(&self) -> ::std::option::Option<::mmlrs_core::RowPolicy> {
                #policy
            }
        }
    }
}

/// The row policy of the first group that has one.
fn policy_of(fields: &[FieldInput]) -> TokenStream {
    let groups = fields.iter().filter(|f| matches!(f.kind, FieldKind::Group)).map(|f| &f.ident);
    quote! {
        ::std::option::Option::<::mmlrs_core::RowPolicy>::None
            #(.or_else(|| ::mmlrs_core::ParamGroup::row_policy(&self.#groups)))*
    }
}

/// The statement that adds the descriptor of a field. `group` is the group that declares it.
fn spec_of(field: &FieldInput, group: Option<&Ident>) -> TokenStream {
    let ty = &field.ty;
    let param = match &field.kind {
        FieldKind::Group => return quote!(params.extend(<#ty as ::mmlrs_core::ParamGroup>::specs());),
        FieldKind::Cache => return TokenStream::new(),
        FieldKind::Param(param) => param,
    };
    let name = camel_case(&field.ident);
    let ParamInput { doc, accepts, .. } = param.as_ref();
    let doc = doc.replace('\n', " ");
    let default = match &param.default {
        Default::None => quote!(::mmlrs_core::Default::None),
        Default::Value(expr) => {
            let value = json_value(expr);
            quote!(::mmlrs_core::Default::Value(#value))
        }
        Default::Uid(suffix) => quote!(::mmlrs_core::Default::Uid(#suffix)),
        Default::Python(what) => quote!(::mmlrs_core::Default::Python(#what)),
    };
    let constraint = match &param.constraint {
        Constraint::None => quote!(::mmlrs_core::Constraint::None),
        Constraint::Range(min, max) => {
            quote!(::mmlrs_core::Constraint::Range(Some(#min as f64), Some(#max as f64)))
        }
        Constraint::Min(min) => quote!(::mmlrs_core::Constraint::Range(Some(#min as f64), None)),
        Constraint::Above(min) => quote!(::mmlrs_core::Constraint::Above(#min as f64)),
        Constraint::OneOf(values) => quote!(::mmlrs_core::Constraint::OneOf(&[#(#values),*])),
        Constraint::OneOfList(values) => quote!(::mmlrs_core::Constraint::OneOf(#values)),
        Constraint::NonEmpty => quote!(::mmlrs_core::Constraint::NonEmpty),
    };
    let group = group.map_or_else(
        || quote!(None),
        |group| {
            let group = group.to_string();
            quote!(Some(#group))
        },
    );
    let role = param.role.clone().unwrap_or_else(|| Ident::new("Plain", field.ident.span()));
    quote! {
        params.push(::mmlrs_core::ParamSpec {
            name: #name,
            doc: #doc,
            ty: <#ty as ::mmlrs_core::ParamField>::TYPE,
            default: #default,
            optional: <#ty as ::mmlrs_core::ParamField>::OPTIONAL,
            constraint: #constraint,
            role: ::mmlrs_core::Role::#role,
            accepts: &[#(::mmlrs_core::Accept::#accepts),*],
            group: #group,
        });
    }
}

/// Wraps `[a, b]`, numbers and strings in `json!`. Any other expression must evaluate to a JSON value.
fn json_value(expr: &Expr) -> TokenStream {
    quote!(::mmlrs_core::macro_support::json!(#expr))
}

fn read_of(field: &FieldInput) -> TokenStream {
    let (ident, ty) = (&field.ident, &field.ty);
    match &field.kind {
        FieldKind::Cache => quote!(#ident: ::std::default::Default::default()),
        FieldKind::Group => quote!(#ident: <#ty as ::mmlrs_core::ParamGroup>::from_params(params)?),
        FieldKind::Param(_) => {
            let name = camel_case(ident);
            quote! {
                #ident: match specs.iter().find(|spec| spec.name == #name) {
                    Some(param) => <#ty as ::mmlrs_core::ParamField>::read(params, param)?,
                    None => return Err(::mmlrs_core::Error::param(#name, "has no descriptor")),
                }
            }
        }
    }
}

fn input_of(field: &FieldInput) -> Option<TokenStream> {
    let ident = &field.ident;
    let param = match &field.kind {
        FieldKind::Cache => return None,
        FieldKind::Group => return Some(quote!(columns.extend(::mmlrs_core::ParamGroup::inputs(&self.#ident));)),
        FieldKind::Param(param) => param,
    };
    let name = camel_case(ident);
    (param.role.as_ref()? == "Input").then(|| {
        quote! {
            columns.extend(
                ::mmlrs_core::ColumnNames::column_names(&self.#ident).into_iter().map(|column| (#name, column)),
            );
        }
    })
}

/// `inputCol` from `input_col`.
fn camel_case(ident: &Ident) -> String {
    let mut out = String::new();
    let mut upper = false;
    for c in ident.to_string().chars() {
        if c == '_' {
            upper = true;
        } else if upper {
            out.extend(c.to_uppercase());
            upper = false;
        } else {
            out.push(c);
        }
    }
    out
}
