//! Reads the attributes of the struct and its fields.

use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{
    Attribute, Data, DeriveInput, Error, Expr, Fields, Ident, Lit, LitStr, Meta, Result, Token, Type, parenthesized,
};

/// The variants of `mmlrs_core::Tag`, as attributes spell them.
const TAGS: [&str; 7] = [
    "accepts_nulls",
    "maps_nulls",
    "embeds_column_names",
    "reports_column_names",
    "requires_rows",
    "requires_spark",
    "not_picklable",
];

/// The parsed struct.
pub struct StageInput {
    pub ident: Ident,
    pub doc: String,
    pub module: LitStr,
    pub kind: Ident,
    pub body: Ident,
    pub rows: Ident,
    pub columns: Ident,
    pub tags: Vec<(Ident, LitStr)>,
    pub model: Option<Ident>,
    pub example: LitStr,
    pub fields: Vec<FieldInput>,
}

/// One field: a param or a group of params.
pub struct FieldInput {
    pub ident: Ident,
    pub ty: Type,
    pub kind: FieldKind,
}

pub enum FieldKind {
    Group,
    /// Not a param: a value that the stage computes once, empty at first.
    Cache,
    Param(Box<ParamInput>),
}

/// The attributes of one param.
pub struct ParamInput {
    pub doc: String,
    pub default: Default,
    pub constraint: Constraint,
    pub role: Option<Ident>,
    pub accepts: Vec<Ident>,
}

pub enum Default {
    None,
    Value(Expr),
    Uid(LitStr),
    Python(LitStr),
}

pub enum Constraint {
    None,
    Range(Expr, Expr),
    Min(Expr),
    Above(Expr),
    OneOf(Vec<LitStr>),
    /// A slice of strings that is defined elsewhere.
    OneOfList(Expr),
    NonEmpty,
}

impl StageInput {
    pub fn parse(input: &DeriveInput) -> Result<Self> {
        let fields = fields_of(input)?;
        let doc = doc_of(&input.attrs).ok_or_else(|| {
            Error::new(input.ident.span(), "a stage needs a doc comment: it becomes the documentation")
        })?;
        let attr = input
            .attrs
            .iter()
            .find(|a| a.path().is_ident("stage"))
            .ok_or_else(|| Error::new(input.ident.span(), "missing #[stage(module = \"...\", ...)]"))?;
        let mut stage = Self {
            ident: input.ident.clone(),
            doc,
            module: LitStr::new("", attr.span()),
            kind: Ident::new("Transformer", attr.span()),
            body: Ident::new("Native", attr.span()),
            rows: Ident::new("Kept", attr.span()),
            columns: Ident::new("Kept", attr.span()),
            tags: Vec::new(),
            model: None,
            example: LitStr::new("", attr.span()),
            fields,
        };
        attr.parse_nested_meta(|meta| {
            if meta.path.is_ident("module") {
                stage.module = meta.value()?.parse()?;
            } else if meta.path.is_ident("example") {
                stage.example = meta.value()?.parse()?;
            } else if meta.path.is_ident("kind") {
                stage.kind = choice(&meta.value()?.parse()?, &["transformer", "estimator", "model", "summary"])?;
            } else if meta.path.is_ident("body") {
                stage.body = choice(&meta.value()?.parse()?, &["native", "extended", "python"])?;
            } else if meta.path.is_ident("rows") {
                stage.rows = choice(&meta.value()?.parse()?, &["kept", "changed"])?;
            } else if meta.path.is_ident("columns") {
                stage.columns = choice(&meta.value()?.parse()?, &["kept", "changed"])?;
            } else if meta.path.is_ident("model") {
                stage.model = Some(meta.value()?.parse()?);
            } else if let Some(tag) = meta.path.get_ident().filter(|key| TAGS.iter().any(|tag| key == tag)) {
                let reason: LitStr = meta.value()?.parse()?;
                if reason.value().is_empty() {
                    return Err(meta.error("a tag needs its reason"));
                }
                stage.tags.push((camel(tag), reason));
            } else {
                return Err(meta.error(format!(
                    "unknown key; expected module, kind, body, rows, columns, model, example, or a tag with its reason: {}",
                    TAGS.join(", ")
                )));
            }
            Ok(())
        })?;
        if stage.module.value().is_empty() {
            return Err(Error::new(attr.span(), "missing module = \"...\""));
        }
        if stage.kind == "Summary" {
            if stage.body == "Python" {
                return Err(Error::new(attr.span(), "a summary is native: `kind = summary` has no `body = python`"));
            }
            stage.rows = Ident::new("Changed", attr.span());
            stage.columns = Ident::new("Changed", attr.span());
        }
        if (stage.kind == "Estimator") != stage.model.is_some() {
            return Err(Error::new(attr.span(), "an estimator names its model (model = ...); other stages must not"));
        }
        if stage.example.value().is_empty() {
            return Err(Error::new(attr.span(), "missing example = \"...\": every stage shows a runnable example"));
        }
        Ok(stage)
    }
}

/// The params of a struct that is a stage or a group.
pub fn fields_of(input: &DeriveInput) -> Result<Vec<FieldInput>> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new(input.span(), "params are the fields of a struct"));
    };
    match &data.fields {
        Fields::Named(named) => named.named.iter().map(FieldInput::parse).collect(),
        _ => Err(Error::new(input.span(), "params are named fields")),
    }
}

impl FieldInput {
    fn parse(field: &syn::Field) -> Result<Self> {
        let ident = field.ident.clone().ok_or_else(|| Error::new(field.span(), "a param needs a name"))?;
        let attr = field
            .attrs
            .iter()
            .find(|a| a.path().is_ident("param"))
            .ok_or_else(|| Error::new(ident.span(), "missing #[param(...)]"))?;
        if let Meta::List(list) = &attr.meta {
            match list.tokens.to_string().as_str() {
                "group" => return Ok(Self { ident, ty: field.ty.clone(), kind: FieldKind::Group }),
                "cache" => return Ok(Self { ident, ty: field.ty.clone(), kind: FieldKind::Cache }),
                _ => {}
            }
        }
        let doc = doc_of(&field.attrs)
            .ok_or_else(|| Error::new(ident.span(), "a param needs a doc comment: it becomes the documentation"))?;
        let mut param =
            ParamInput { doc, default: Default::None, constraint: Constraint::None, role: None, accepts: Vec::new() };
        let mut required = false;
        if !matches!(attr.meta, Meta::Path(_)) {
            attr.parse_nested_meta(|meta| param.parse_key(&meta, &mut required))?;
        }
        let optional = is_option(&field.ty);
        if matches!(param.default, Default::None) && !optional && !required {
            return Err(Error::new(ident.span(), "a param needs `default = ...`, `required`, or an Option type"));
        }
        if param.role.as_ref().is_some_and(|r| r == "Input") && param.accepts.is_empty() {
            return Err(Error::new(ident.span(), "an input column needs accepts(...)"));
        }
        Ok(Self { ident, ty: field.ty.clone(), kind: FieldKind::Param(Box::new(param)) })
    }
}

impl ParamInput {
    fn parse_key(&mut self, meta: &syn::meta::ParseNestedMeta<'_>, required: &mut bool) -> Result<()> {
        if meta.path.is_ident("default") {
            self.default = parse_default(meta.value()?.parse()?);
        } else if meta.path.is_ident("required") {
            *required = true;
        } else if meta.path.is_ident("role") {
            self.role = Some(choice(&meta.value()?.parse()?, &["plain", "input", "output"])?);
        } else if meta.path.is_ident("non_empty") {
            self.constraint = Constraint::NonEmpty;
        } else if meta.path.is_ident("accepts") {
            let content;
            parenthesized!(content in meta.input);
            let kinds = Punctuated::<Ident, Token![,]>::parse_terminated(&content)?;
            self.accepts = kinds.iter().map(camel).collect();
        } else {
            let content;
            parenthesized!(content in meta.input);
            self.constraint = if meta.path.is_ident("one_of") && content.peek(Token![&]) {
                Constraint::OneOfList(content.parse()?)
            } else if meta.path.is_ident("one_of") {
                let values = Punctuated::<LitStr, Token![,]>::parse_terminated(&content)?;
                Constraint::OneOf(values.into_iter().collect())
            } else {
                let bounds: Vec<Expr> =
                    Punctuated::<Expr, Token![,]>::parse_terminated(&content)?.into_iter().collect();
                match (meta.path.get_ident().map(ToString::to_string).as_deref(), bounds.as_slice()) {
                    (Some("range"), [min, max]) => Constraint::Range(min.clone(), max.clone()),
                    (Some("min"), [min]) => Constraint::Min(min.clone()),
                    (Some("above"), [min]) => Constraint::Above(min.clone()),
                    _ => {
                        return Err(meta.error(
                            "expected default, required, role, accepts(..), one_of(..), range(a, b), min(a), above(a) \
                             or non_empty",
                        ));
                    }
                }
            };
        }
        Ok(())
    }
}

fn parse_default(expr: Expr) -> Default {
    if let Expr::Call(call) = &expr
        && let Expr::Path(path) = call.func.as_ref()
        && let Some(Expr::Lit(lit)) = call.args.first()
        && let Lit::Str(text) = &lit.lit
    {
        if path.path.is_ident("uid") {
            return Default::Uid(text.clone());
        }
        if path.path.is_ident("python") {
            return Default::Python(text.clone());
        }
    }
    Default::Value(expr)
}

fn is_option(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|s| s.ident == "Option"))
}

fn choice(ident: &Ident, allowed: &[&str]) -> Result<Ident> {
    if allowed.iter().any(|a| ident == a) {
        return Ok(camel(ident));
    }
    Err(Error::new(ident.span(), format!("expected one of {}", allowed.join(", "))))
}

/// `binary_file` -> `BinaryFile`.
fn camel(ident: &Ident) -> Ident {
    let text: String = ident
        .to_string()
        .split('_')
        .map(|part| {
            let mut chars = part.chars();
            chars.next().map(|c| c.to_ascii_uppercase().to_string() + chars.as_str()).unwrap_or_default()
        })
        .collect();
    Ident::new(&text, ident.span())
}

fn doc_of(attrs: &[Attribute]) -> Option<String> {
    let lines: Vec<String> = attrs
        .iter()
        .filter(|a| a.path().is_ident("doc"))
        .filter_map(|a| match &a.meta {
            Meta::NameValue(pair) => match &pair.value {
                Expr::Lit(lit) => match &lit.lit {
                    Lit::Str(text) => Some(
                        text.value()
                            .trim_end()
                            .strip_prefix(' ')
                            .map_or_else(|| text.value().trim_end().to_owned(), str::to_owned),
                    ),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        })
        .collect();
    let text = lines.join("\n").trim().to_owned();
    (!text.is_empty()).then_some(text)
}
