//! One Python module per namespace: a class per stage.

use std::fmt::Write as _;

use mmlrs_core::{Body, Default, Kind, ParamSpec, ParamType, StageSpec};

use crate::MARK;
use crate::docstring::{description, example, summary_and_rest, type_and_default, wrap};

const WIDTH: usize = 110;

/// The module's text.
pub fn module(name: &str, stages: &[&StageSpec]) -> String {
    let types: Vec<ParamType> = stages.iter().flat_map(|s| s.params.iter().map(|p| p.ty)).collect();
    let space = types.contains(&ParamType::ParamSpace);
    let typing: &[&str] =
        if space { &["TYPE_CHECKING", "Any", "ClassVar", "Self"] } else { &["Any", "ClassVar", "Self"] };
    let mut abc: Vec<&str> = Vec::new();
    if types.iter().any(|t| t.annotation().contains("Callable")) {
        abc.push("Callable");
    }
    if types.iter().any(|t| t.annotation().contains("Mapping")) {
        abc.push("Mapping");
    }
    if types.iter().any(|t| t.annotation().contains("Sequence")) {
        abc.push("Sequence");
    }
    let mut bases: Vec<&str> = stages.iter().map(|s| base_class(s)).collect();
    bases.sort_unstable();
    bases.dedup();
    let mut out =
        format!("\"\"\"Stages of `mmlrs.{name}`.\n\n{MARK}\n\"\"\"\n\nfrom __future__ import annotations\n\n");
    if !abc.is_empty() {
        let _ = writeln!(out, "from collections.abc import {}", abc.join(", "));
    }
    let _ = writeln!(out, "from typing import {}\n", typing.join(", "));
    let model = types.iter().any(|t| t.annotation() == "ModelLike");
    let params = if types.iter().any(|t| t.annotation().contains("Params")) { "Params, " } else { "" };
    out.push_str("from mmlrs._names import by_name\n");
    let _ = writeln!(out, "from mmlrs._params import Convert, Param, {params}undefined");
    let _ = writeln!(out, "from mmlrs.base import {}", bases.join(", "));
    if model {
        let _ = writeln!(out, "from mmlrs.models import ModelLike");
    }
    if space {
        out.push_str("\nif TYPE_CHECKING:\n    from mmlrs.automl.spaces import ParamSpace\n");
    }
    let names: Vec<String> = stages.iter().map(|s| format!("{:?}", s.name)).collect();
    let _ = writeln!(out, "\n__all__ = [{}]", names.join(", "));
    for stage in stages {
        out.push_str(&class(stage));
    }
    out
}

fn base_class(spec: &StageSpec) -> &'static str {
    match (spec.body, spec.kind) {
        (Body::Native, Kind::Transformer) => "NativeTransformer",
        (Body::Native, Kind::Model) => "NativeModel",
        (Body::Native, Kind::Estimator) => "NativeEstimator",
        (_, Kind::Summary) => "NativeSummary",
        (Body::Python, Kind::Estimator) => "Estimator",
        (Body::Python, Kind::Transformer) => "PythonTransformer",
        (Body::Python, Kind::Model) => "PythonModel",
    }
}

fn class(spec: &StageSpec) -> String {
    let mut out = format!("\n\nclass {}({}):\n", spec.name, base_class(spec));
    out.push_str(&class_doc(spec));
    let _ = writeln!(out, "\n    __module__ = \"mmlrs.{}\"", spec.module);
    let _ = writeln!(out, "    _stage: ClassVar[str] = {:?}\n", spec.name);
    for param in &spec.params {
        let _ = writeln!(
            out,
            "    {name}: Param[Any] = Param(undefined(), {name:?}, {doc:?}, Convert.{convert})",
            name = param.name,
            doc = description(param),
            convert = param.ty.name(),
        );
    }
    out.push_str("\n    @by_name\n    def __init__(\n        self,\n        *,\n");
    for param in &spec.params {
        let _ = writeln!(out, "        {}: {} | None = None,", param.name, param.ty.annotation());
    }
    out.push_str("    ) -> None:\n        super().__init__(\n            {\n");
    for param in &spec.params {
        let _ = writeln!(out, "                {name:?}: {name},", name = param.name);
    }
    out.push_str("            }\n        )\n");
    for param in &spec.params {
        out.push_str(&accessors(param));
    }
    out
}

fn class_doc(spec: &StageSpec) -> String {
    let (summary, rest) = summary_and_rest(spec);
    let mut out = format!("    \"\"\"{summary}\n");
    if !rest.is_empty() {
        let _ = write!(out, "\n{}", wrap(&rest, "    ", WIDTH));
    }
    out.push_str("\n    Parameters\n    ----------\n");
    for param in &spec.params {
        let _ = writeln!(out, "    {} : {}", param.name, type_and_default(param));
        out.push_str(&wrap(&description(param), "        ", WIDTH));
    }
    out.push_str("\n    Examples\n    --------\n");
    for line in example(spec).lines() {
        let prompt = if line.starts_with([' ', ')', ']', '}']) { "..." } else { ">>>" };
        let _ = writeln!(out, "    {}", format!("{prompt} {line}").trim_end());
    }
    out.push_str("    \"\"\"\n");
    out.replace('\\', "\\\\")
}

fn accessors(param: &ParamSpec) -> String {
    let name = param.name;
    let mut chars = name.chars();
    let capital = chars.next().map(|c| c.to_ascii_uppercase().to_string()).unwrap_or_default() + chars.as_str();
    let ty = param.ty.annotation();
    let optional = matches!(param.default, Default::None);
    let (returns, value) = if optional {
        (format!("{ty} | None"), format!("self._value({name:?})"))
    } else {
        (ty.to_owned(), format!("self._value({name:?})"))
    };
    format!(
        "\n    def set{capital}(self, value: {ty}) -> Self:\n        \"\"\"Set `{name}`; returns the stage.\"\"\"\n        \
         self._set({name}=value)\n        return self\n\n    def get{capital}(self) -> {returns}:\n        \
         \"\"\"Return the value of `{name}`{unset}.\"\"\"\n        value: {returns} = {value}\n        return value\n",
        unset = if optional { ", or None when it is not set" } else { "" },
    )
}
