//! Declarations that do not compile, and their error messages.

use crate::parse::{StageInput, fields_of};

const STAGE: &str = r#"#[stage(module = "image", example = "x")]"#;

/// The error for a stage with this attribute and these fields.
fn error_of(attribute: &str, fields: &str) -> Option<String> {
    let source = format!("/// Does something.\n{attribute}\nstruct Example {{ {fields} }}");
    let input = syn::parse_str(&source).expect("the test writes Rust");
    StageInput::parse(&input).err().map(|error| error.to_string())
}

fn assert_errors(cases: &[(&str, &str, &str)]) {
    for (attribute, fields, expected) in cases {
        let message = error_of(attribute, fields);
        assert!(
            message.as_deref().is_some_and(|message| message.contains(expected)),
            "{attribute} {fields}: expected `{expected}`, got {message:?}"
        );
    }
}

#[test]
fn a_correct_declaration_has_no_error() {
    let fields = [
        "/// A name.\n #[param(required, non_empty, role = input, accepts(text, binary_file))] a: String",
        "/// A number.\n #[param(default = 3, range(1, 5))] b: usize",
        "/// A word.\n #[param(one_of(\"x\", \"y\"))] c: Option<String>",
        "/// A word of a list.\n #[param(one_of(&WORDS))] g: Option<String>",
        "/// A column.\n #[param(default = uid(\"_output\"))] d: String",
        "#[param(group)] e: RunParams",
        "#[param(cache)] f: OnceLock<usize>",
    ];
    assert_eq!(error_of(STAGE, &fields.join(", ")), None);
}

#[test]
fn a_stage_says_where_it_is_what_it_is_and_how_it_is_used() {
    assert_errors(&[
        ("", "", "missing #[stage("),
        (r#"#[stage(example = "x")]"#, "", "missing module"),
        (r#"#[stage(module = "image")]"#, "", "missing example"),
        (r#"#[stage(module = "image", example = "x", colour = 1)]"#, "", "unknown key"),
        (r#"#[stage(module = "image", example = "x", kind = filter)]"#, "", "expected one of transformer"),
        (r#"#[stage(module = "image", example = "x", body = c)]"#, "", "expected one of native, extended, python"),
        (r#"#[stage(module = "image", example = "x", rows = some)]"#, "", "expected one of kept, changed"),
    ]);
}

#[test]
fn an_estimator_and_nothing_else_names_its_model() {
    let message = "names its model";
    assert_errors(&[
        (r#"#[stage(module = "image", example = "x", kind = estimator)]"#, "", message),
        (r#"#[stage(module = "image", example = "x", model = M)]"#, "", message),
    ]);
}

#[test]
fn a_param_is_documented_has_a_value_and_says_what_it_reads() {
    assert_errors(&[
        (STAGE, "a: usize", "missing #[param"),
        (STAGE, "#[param(default = 1)] a: usize", "needs a doc comment"),
        (STAGE, "/// A number.\n #[param] a: usize", "needs `default = ...`, `required`, or an Option type"),
        (STAGE, "/// A column.\n #[param(required, role = input)] a: String", "needs accepts("),
        (STAGE, "/// A column.\n #[param(required, role = inputs)] a: String", "expected one of plain, input, output"),
        (STAGE, "/// A number.\n #[param(default = 1, range(1))] a: usize", "expected default, required, role"),
        (STAGE, "/// A number.\n #[param(default = 1, limit(1))] a: usize", "expected default, required, role"),
    ]);
}

#[test]
fn a_stage_is_documented() {
    let input = syn::parse_str(&format!("{STAGE} struct Example {{}}")).expect("the test writes Rust");
    let message = StageInput::parse(&input).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(message.contains("a stage needs a doc comment"), "{message}");
}

#[test]
fn params_are_the_named_fields_of_a_struct() {
    for (source, expected) in [("enum Example { A }", "fields of a struct"), ("struct Example(usize);", "named fields")]
    {
        let input = syn::parse_str(source).expect("the test writes Rust");
        let message = fields_of(&input).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(message.contains(expected), "{message}");
    }
}
