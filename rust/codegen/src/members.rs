//! The members of generated classes and mixins: declarations, setters and getters.

use mmlrs_core::ParamSpec;

use crate::docstring::wrap;
use crate::types::{accepted, capitalized, held, is_required, may_be_none, returned};

/// Maximum line width.
pub const WIDTH: usize = 120;

/// The `__all__` list.
pub fn exports<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(|name| format!("{name:?}")).collect();
    let line = format!("__all__ = [{}]\n", names.join(", "));
    if line.len() <= WIDTH { line } else { format!("__all__ = [\n{}]\n", wrap(&names.join(", "), "    ", WIDTH)) }
}

/// The param as an attribute of the class.
pub fn declaration(param: &ParamSpec, doc: &str) -> String {
    format!(
        "    {name}: Param[{ty}] = Param(undefined(), {name:?}, {doc:?}, {constant}.accept)\n",
        name = param.name,
        ty = held(param),
        constant = param.ty.name().to_uppercase(),
    )
}

/// The setter and the getter of a param. `narrows`: Spark ML's getter of that name never returns None.
pub fn accessors(param: &ParamSpec, narrows: bool) -> String {
    let (name, capital) = (param.name, capitalized(param.name));
    format!(
        "\n    def set{capital}(self, value: {ty}) -> Self:\n        \"\"\"Set `{name}` and return the stage.\"\"\"\n        \
         return self._set({name}=value)\n\n    def get{capital}(self) -> {returns}:{ignore}\n        \
         \"\"\"Return the value of `{name}`{unset}.\"\"\"\n        return self._value({name:?})\n",
        ty = accepted(param),
        returns = returned(param),
        ignore = if narrows { "  # type: ignore[override, unused-ignore]" } else { "" },
        unset = if may_be_none(param) || is_required(param) { ", or None when it is not set" } else { "" },
    )
}
