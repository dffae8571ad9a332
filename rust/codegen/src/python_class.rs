//! One Python module per namespace: a class per stage.

use std::fmt::Write as _;

use mmlrs_core::{Body, Kind, StageSpec};

use crate::docstring::{class_doc, description};
use crate::imports::Imports;
use crate::mark::MARK;
use crate::members::{WIDTH, accessors, declaration, exports};
use crate::mixins::Mixins;
use crate::types::{accepted, argument, is_required};

/// The source of a module.
pub fn module(name: &str, stages: &[&StageSpec], mixins: &Mixins<'_>) -> String {
    let mut imports = Imports::default();
    let mut body = String::new();
    for stage in stages {
        body.push_str(&class(stage, mixins, &mut imports));
    }
    format!(
        "\"\"\"Stages of `mmlrs.{name}`.\n\n{MARK}\n\"\"\"\n\n{}\n{}{body}",
        imports.text(),
        // The namespace re-exports these classes. It defines subclasses of the others itself.
        exports(stages.iter().filter(|s| s.body == Body::Native).map(|s| s.name))
    )
}

fn base_class(spec: &StageSpec) -> &'static str {
    match (spec.body, spec.kind) {
        (Body::Native | Body::Extended, Kind::Transformer) => "NativeTransformer",
        (Body::Native | Body::Extended, Kind::Model) => "NativeModel",
        (Body::Native | Body::Extended, Kind::Estimator) => "NativeEstimator",
        (_, Kind::Summary) => "NativeSummary",
        (Body::Python, Kind::Estimator) => "Estimator",
        (Body::Python, Kind::Transformer) => "PythonTransformer",
        (Body::Python, Kind::Model) => "PythonModel",
    }
}

fn class(spec: &StageSpec, mixins: &Mixins<'_>, imports: &mut Imports) -> String {
    let base = base_class(spec);
    let shared = mixins.bases(spec);
    imports.names("mmlrs.base", &[base]);
    imports.names("mmlrs._generated.shared", &shared.iter().map(String::as_str).collect::<Vec<_>>());
    let base = match spec.model {
        // A class that mmlrs.{module} defines by hand is a subclass of the generated one.
        Some(model) => {
            imports.for_types(format!("import mmlrs.{} as public  # noqa: F401 - in type arguments", spec.module));
            format!("{base}[\"public.{model}\"]")
        }
        None => base.to_owned(),
    };
    let mut out = header(spec.name, &base, &shared);
    out.push_str(&class_doc(spec, WIDTH));
    imports.names("typing", &["ClassVar"]);
    let _ =
        write!(out, "\n    __module__ = \"mmlrs.{}\"\n    _stage: ClassVar[str] = {:?}\n\n", spec.module, spec.name);
    for param in spec.params.iter().filter(|p| !mixins.declares(p)) {
        out.push_str(&declaration(param, &description(param)));
        imports.declaration(param);
    }
    out.push_str(&constructor(spec, imports));
    for param in spec.params.iter().filter(|p| !mixins.accesses(p)) {
        out.push_str(&accessors(param, false));
        imports.accessors(param);
    }
    out
}

fn header(name: &str, base: &str, mixins: &[String]) -> String {
    let bases = std::iter::once(base).chain(mixins.iter().map(String::as_str)).collect::<Vec<_>>().join(", ");
    let line = format!("\n\nclass {name}({bases}):\n");
    if line.len() <= WIDTH + 3 { line } else { format!("\n\nclass {name}(\n    {bases}\n):\n") }
}

/// The constructor. If a param is required there are two ways to call it: without arguments, with setters to follow, or with at
/// least the required params.
fn constructor(spec: &StageSpec, imports: &mut Imports) -> String {
    let mut arguments = String::new();
    for param in &spec.params {
        let _ = writeln!(arguments, "        {},", argument(param));
        imports.annotation(&accepted(param));
    }
    imports.names("mmlrs._constructor", &["by_name"]);
    if spec.params.is_empty() {
        return "\n    @by_name\n    def __init__(self) -> None: ...\n".to_owned();
    }
    let full = format!("    def __init__(\n        self,\n        *,\n{arguments}    ) -> None: ...\n");
    if !spec.params.iter().any(is_required) {
        return format!("\n    @by_name\n{full}");
    }
    imports.names("typing", &["Any"]);
    imports.names("mmlrs._typing", &["overload"]);
    format!(
        "\n    @overload\n    def __init__(self) -> None: ...\n    @overload\n{full}    @by_name\n    \
         def __init__(self, **params: Any) -> None: ...\n"
    )
}
