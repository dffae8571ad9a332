//! The reference pages.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use mmlrs_core::{Body, Rows, StageSpec};

use crate::docstring::{description, example, summary_and_rest, type_and_default};
use crate::mark::MARK;

/// One page per namespace.
pub fn page(module: &str, stages: &[&StageSpec]) -> String {
    let mut out = format!("<!-- {MARK} -->\n\n# mmlrs.{module}\n");
    for stage in stages {
        let (summary, rest) = summary_and_rest(stage);
        let _ = write!(out, "\n## {}\n\n{summary}\n", stage.name);
        if !rest.is_empty() {
            let _ = write!(out, "\n{rest}\n");
        }
        out.push_str("\n| param | type and default | meaning |\n|---|---|---|\n");
        for param in &stage.params {
            let _ = writeln!(
                out,
                "| `{}` | {} | {} |",
                param.name,
                cell(&type_and_default(param)),
                cell(&description(param))
            );
        }
        let _ = write!(out, "\n```python\n{}\n```\n", example(stage));
    }
    out
}

/// The table of contents.
pub fn index(modules: &BTreeMap<&str, Vec<&StageSpec>>) -> String {
    let mut out = format!("<!-- {MARK} -->\n\n# Reference\n\n");
    out.push_str(
        "Stages run on Spark DataFrames, classic and Connect, and on pyarrow, pandas, polars and other tables with the Arrow\n\
         PyCapsule interface. Transformers also run on streams, except for those that need all rows. Stages save and load.\n",
    );
    for (module, stages) in modules {
        let _ = write!(
            out,
            "\n## [mmlrs.{module}]({module}.md)\n\n| stage | what it does | runs as | rows |\n|---|---|---|---|\n"
        );
        for stage in stages {
            let runs = match stage.body {
                Body::Native | Body::Extended => "native kernel",
                Body::Python => "DataFrame operation",
            };
            let rows = match stage.rows {
                Rows::Kept => "kept",
                Rows::Changed => "changed",
            };
            let anchor = stage.name.to_lowercase();
            let _ = writeln!(
                out,
                "| [{}]({module}.md#{anchor}) | {} | {runs} | {rows} |",
                stage.name,
                cell(&summary_and_rest(stage).0)
            );
        }
    }
    out
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
