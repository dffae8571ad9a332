//! Params that several stages share: a Python mixin for each group and for each param that Spark ML shares too.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use mmlrs_core::{ParamSpec, StageSpec};

use crate::docstring::{description, wrap};
use crate::imports::Imports;
use crate::mark::MARK;
use crate::members::{WIDTH, accessors, declaration, exports};
use crate::types::{accepted, capitalized, is_required, may_be_none, returned};

/// The params of `pyspark.ml.param.shared` that stages also have. `inputCol` is the param of `HasInputCol`.
const SPARK: &[&str] = &[
    "featuresCol",
    "handleInvalid",
    "inputCol",
    "inputCols",
    "labelCol",
    "numFeatures",
    "outputCol",
    "outputCols",
    "parallelism",
    "seed",
    "weightCol",
];

/// The params of a group that at least two stages use.
struct Group<'a> {
    params: Vec<&'a ParamSpec>,
    stages: BTreeSet<&'a str>,
    /// How often each description of a param occurs: some stages describe a shared param in their own words.
    descriptions: BTreeMap<&'a str, BTreeMap<String, usize>>,
}

/// The mixins of all stages.
pub struct Mixins<'a> {
    groups: BTreeMap<&'static str, Group<'a>>,
    /// Mixins of a single param that Spark ML shares too, by their key.
    single: BTreeMap<Key, &'a ParamSpec>,
}

/// Params with equal name, accepted values and returned values share a mixin.
type Key = (&'static str, String, String);

fn key(param: &ParamSpec) -> Key {
    (param.name, accepted(param), returned(param))
}

impl<'a> Mixins<'a> {
    /// Collects the params that these stages share.
    pub fn of(stages: &[&'a StageSpec]) -> Self {
        let mut groups: BTreeMap<&'static str, Group<'a>> = BTreeMap::new();
        let mut single = BTreeMap::new();
        for stage in stages {
            for param in &stage.params {
                if SPARK.contains(&param.name) {
                    // A required param has a getter whose type excludes None, so its declaration wins.
                    let declared = single.entry(key(param)).or_insert(param);
                    if is_required(param) {
                        *declared = param;
                    }
                }
                let Some(name) = param.group else { continue };
                let group = groups.entry(name).or_insert_with(|| Group {
                    params: Vec::new(),
                    stages: BTreeSet::new(),
                    descriptions: BTreeMap::new(),
                });
                group.stages.insert(stage.name);
                if group.params.iter().all(|p| p.name != param.name) {
                    group.params.push(param);
                }
                *group.descriptions.entry(param.name).or_default().entry(description(param)).or_default() += 1;
            }
        }
        groups.retain(|_, group| group.stages.len() > 1);
        Self { groups, single }
    }

    /// The mixins of a stage, in the order of its params.
    pub fn bases(&self, stage: &StageSpec) -> Vec<String> {
        let mut bases: Vec<String> = Vec::new();
        for param in &stage.params {
            let base = match self.group(param) {
                Some(name) => Some(class_of(name)),
                None => self.single_class(param),
            };
            bases.extend(base.filter(|b| !bases.contains(b)));
        }
        bases
    }

    /// Whether a mixin declares the param, with the same description.
    pub fn declares(&self, param: &ParamSpec) -> bool {
        self.group(param).is_some_and(|name| self.usual_description(name, param) == description(param))
    }

    /// Whether a mixin has the setter and the getter of the param.
    pub fn accesses(&self, param: &ParamSpec) -> bool {
        self.group(param).is_some() || self.single.contains_key(&key(param))
    }

    /// The group whose mixin has the param.
    fn group(&self, param: &ParamSpec) -> Option<&'static str> {
        let name = param.group?;
        let group = self.groups.get(name)?;
        group.params.iter().any(|p| key(p) == key(param)).then_some(name)
    }

    fn usual_description(&self, group: &str, param: &ParamSpec) -> String {
        let counts = self.groups.get(group).and_then(|g| g.descriptions.get(param.name));
        let most_common = counts.and_then(|counts| counts.iter().max_by_key(|(_, count)| **count));
        most_common.map(|(text, _)| text.clone()).unwrap_or_default()
    }

    /// The mixin of a param that Spark ML shares too. If stages differ in the values of the param, the class name says which it
    /// accepts.
    fn single_class(&self, param: &ParamSpec) -> Option<String> {
        self.single.get(&key(param))?;
        let name = capitalized(param.name);
        if may_be_none(param) {
            return Some(format!("HasOptional{name}"));
        }
        let widest = self.single.keys().filter(|k| k.0 == param.name).map(|k| k.1.len()).max();
        if let mmlrs_core::Constraint::OneOf(values) = param.constraint
            && widest > Some(accepted(param).len())
        {
            let values: Vec<String> = values.iter().map(|v| capitalized(v)).collect();
            return Some(format!("Has{name}{}", values.join("Or")));
        }
        Some(format!("Has{name}"))
    }

    /// The source of the module with all mixins.
    pub fn module(&self) -> String {
        let mut imports = Imports::default();
        let mut body = String::new();
        let mut names = Vec::new();
        for param in self.single.values() {
            let Some(name) = self.single_class(param) else { continue };
            let _ = write!(
                body,
                "\n\nclass {name}(shared.Has{}, Stage):\n    \"\"\"The param `{}`{}.\"\"\"\n",
                capitalized(param.name),
                param.name,
                if may_be_none(param) { ", which is optional" } else { "" },
            );
            body.push_str(&accessors(param, may_be_none(param)));
            imports.accessors(param);
            names.push(name);
        }
        for (group, Group { params, .. }) in &self.groups {
            let name = class_of(group);
            let mut bases: Vec<String> = params.iter().filter_map(|p| self.single_class(p)).collect();
            bases.push("Stage".to_owned());
            let listed: Vec<String> = params.iter().map(|p| format!("`{}`", p.name)).collect();
            let doc = format!("\"\"\"The params {}.\"\"\"", listed.join(", "));
            let _ = write!(body, "\n\nclass {name}({}):\n{}\n", bases.join(", "), wrap(&doc, "    ", WIDTH));
            for param in params {
                body.push_str(&declaration(param, &self.usual_description(group, param)));
                imports.declaration(param);
            }
            for param in params.iter().filter(|p| !self.single.contains_key(&key(p))) {
                body.push_str(&accessors(param, false));
                imports.accessors(param);
            }
            names.push(name);
        }
        imports.names("mmlrs", &["_shared as shared"]);
        imports.names("mmlrs.base", &["Stage"]);
        format!(
            "\"\"\"Params that several stages share: their declarations, setters and getters.\n\n{MARK}\n\nSpark ML's own \
             classes come before `Stage` in the bases. `Stage` sets the defaults in its constructor and overrides theirs.\n\"\"\"\n\n{}\n{}{body}",
            imports.text(),
            exports(names.iter().map(String::as_str))
        )
    }
}

fn class_of(group: &str) -> String {
    format!("Has{group}")
}
