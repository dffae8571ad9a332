//! Sentences shared by docstrings and reference pages.

use std::fmt::Write as _;

use mmlrs_core::{Accept, Constraint, Default, ParamSpec, Role, StageSpec};

use crate::promises;
use crate::types::{capitalized, python_literal};

/// `str, default "image"`.
pub fn type_and_default(param: &ParamSpec) -> String {
    with_default(param, param.ty.annotation().to_owned())
}

/// Like [`type_and_default`], with the allowed strings in place of the type: `{"error", "skip"}, default "error"`.
fn choices_and_default(param: &ParamSpec) -> String {
    let Constraint::OneOf(values) = param.constraint else { return type_and_default(param) };
    let quoted: Vec<String> = values.iter().map(|v| format!("{v:?}")).collect();
    with_default(param, format!("{{{}}}", quoted.join(", ")))
}

fn with_default(param: &ParamSpec, ty: String) -> String {
    match &param.default {
        Default::Value(value) => format!("{ty}, default {}", python_literal(value)),
        Default::Uid(suffix) => format!("{ty}, default <uid>{suffix}"),
        Default::Python(what) => format!("{ty}, default {what}"),
        Default::None if param.optional => format!("{ty}, optional"),
        Default::None => ty,
    }
}

/// The param's doc with its allowed values and the column types it reads.
pub fn description(param: &ParamSpec) -> String {
    let mut text = meaning(param);
    if let Some(sentence) = param.constraint.sentence() {
        let _ = write!(text, " {}.", capitalized(&sentence));
    }
    text
}

/// The param's doc with the column types it reads.
fn meaning(param: &ParamSpec) -> String {
    let mut text = param.doc.trim().to_owned();
    if !text.ends_with(['.', '?']) {
        text.push('.');
    }
    if param.role == Role::Input && !param.accepts.contains(&Accept::Any) {
        let _ = write!(text, " Reads: {}.", Accept::words(param.accepts));
    }
    text
}

/// The docstring of a stage's class.
pub fn class_doc(spec: &StageSpec, width: usize) -> String {
    let (summary, rest) = summary_and_rest(spec);
    let mut out = format!("    \"\"\"{summary}\n");
    if !rest.is_empty() {
        let _ = write!(out, "\n{}", wrap(&rest, "    ", width));
    }
    out.push_str("\n    Parameters\n    ----------\n");
    for param in &spec.params {
        let _ = writeln!(out, "    {} : {}", param.name, choices_and_default(param));
        // The type lists the allowed strings already.
        let text = if matches!(param.constraint, Constraint::OneOf(_)) { meaning(param) } else { description(param) };
        out.push_str(&wrap(&text, "        ", width));
    }
    for (title, items) in [("Returns", promises::returns(spec)), ("Raises", promises::raises(spec))] {
        let _ = writeln!(out, "\n    {title}\n    {}", "-".repeat(title.len()));
        for (name, text) in items {
            let _ = writeln!(out, "    {name}\n{}", wrap(&text, "        ", width).trim_end());
        }
    }
    out.push_str("\n    Examples\n    --------\n");
    for line in example(spec).lines() {
        let prompt = if line.starts_with([' ', ')', ']', '}']) { "..." } else { ">>>" };
        let _ = writeln!(out, "    {}", format!("{prompt} {line}").trim_end());
    }
    out.push_str("    \"\"\"\n");
    out.replace('\\', "\\\\")
}

/// The first paragraph of the stage's doc, and the rest.
pub fn summary_and_rest(spec: &StageSpec) -> (String, String) {
    let (summary, rest) = spec.doc.split_once("\n\n").unwrap_or((spec.doc, ""));
    (summary.replace('\n', " "), rest.trim().to_owned())
}

/// The example without surrounding blank lines.
pub fn example(spec: &StageSpec) -> &str {
    spec.example.trim_matches('\n')
}

/// Wraps the text to `width` and indents every line.
pub fn wrap(text: &str, indent: &str, width: usize) -> String {
    let mut out = String::new();
    for (n, paragraph) in text.split("\n\n").enumerate() {
        if n > 0 {
            out.push('\n');
        }
        if paragraph.trim_start().starts_with(['*', '-', '|']) {
            for line in paragraph.lines() {
                let _ = writeln!(out, "{indent}{}", line.trim_end());
            }
            continue;
        }
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && indent.len() + line.len() + 1 + word.len() > width {
                let _ = writeln!(out, "{indent}{line}");
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        let _ = writeln!(out, "{indent}{line}");
    }
    out
}
