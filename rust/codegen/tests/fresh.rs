//! The committed files are up to date, and the registry is complete.

use std::collections::HashSet;
use std::path::Path;

use mmlrs_core::{Body, Kind};

#[test]
fn the_committed_files_are_fresh() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    assert_eq!(mmlrs_codegen::run(&root, true).err(), None);
}

#[test]
fn stage_names_are_unique_and_every_param_is_documented() {
    let mut names = HashSet::new();
    for entry in mmlrs_registry::stages() {
        let spec = entry.spec();
        assert!(names.insert(spec.name), "{} is listed twice", spec.name);
        assert!(!spec.doc.is_empty() && !spec.example.trim().is_empty(), "{} lacks docs", spec.name);
        let mut params = HashSet::new();
        for param in &spec.params {
            assert!(params.insert(param.name), "{}: param {} is listed twice", spec.name, param.name);
            assert!(param.doc.len() > 10, "{}: param {} lacks docs", spec.name, param.name);
            if let mmlrs_core::Default::Value(value) = &param.default {
                assert!(param.constraint.holds(value), "{}: default of {} is not allowed", spec.name, param.name);
            }
        }
    }
}

#[test]
fn every_sample_is_valid() {
    for entry in mmlrs_registry::stages() {
        let sample = entry.sample();
        let params = mmlrs_core::ParamMap::new("sample", sample.params.clone());
        assert!(sample.data.num_rows() >= 4, "{}: a sample has at least four rows", entry.spec().name);
        assert_eq!(entry.check(&params).err(), None, "{}", entry.spec().name);
    }
}

#[test]
fn a_stage_is_listed_by_the_word_that_its_descriptor_says() {
    for entry in mmlrs_registry::stages() {
        let params = mmlrs_core::ParamMap::new("sample", entry.sample().params);
        let runs = entry.build(&params).is_ok();
        let fits = entry.build_aggregate(&params).is_ok();
        let (name, kind, body) = (entry.spec().name, entry.spec().kind, entry.spec().body);
        match (body, kind) {
            (Body::Native | Body::Extended, Kind::Estimator) => {
                assert!(fits && !runs, "{name} must be listed as `fit`");
            }
            (Body::Native | Body::Extended, Kind::Summary) => {
                assert!(fits && !runs, "{name} must be listed as `summary`");
            }
            (Body::Native | Body::Extended, _) => assert!(runs && !fits, "{name} must be listed as `transform`"),
            (Body::Python, _) => assert!(!runs && !fits, "{name} must be listed as `python`"),
        }
    }
}

/// The dependencies that each crate may have. Kernels do not depend on Python, and core does not depend on kernels.
#[test]
fn crates_depend_only_along_the_allowed_arrows() {
    let allowed: &[(&str, &[&str])] = &[
        ("core", &[]),
        ("macros", &[]),
        ("image", &["core", "macros"]),
        ("model", &["core", "macros", "ann", "image", "text"]),
        ("text", &["core", "macros"]),
        ("featurize", &["core", "macros", "text"]),
        ("ann", &["core", "macros", "image"]),
        ("descriptors", &["core", "macros"]),
        ("score", &["core", "macros", "text"]),
        ("registry", &["core", "macros", "ann", "descriptors", "featurize", "image", "model", "score", "text"]),
        ("codegen", &["core", "registry"]),
        ("python", &["core", "registry", "image", "model", "ann"]),
    ];
    let output = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo metadata runs");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    assert_eq!(packages.len(), allowed.len(), "the table of allowed dependencies lacks a crate");
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default().trim_start_matches("mmlrs-");
        let arrows = allowed.iter().find(|(n, _)| *n == name).map_or(&[][..], |(_, arrows)| arrows);
        for dependency in package["dependencies"].as_array().map(Vec::as_slice).unwrap_or_default() {
            let on = dependency["name"].as_str().unwrap_or_default();
            if let Some(on) = on.strip_prefix("mmlrs-") {
                assert!(arrows.contains(&on), "{name} must not depend on {on}");
            }
            let foreign = ["pyo3", "pyo3-arrow"].contains(&on) && name != "python"
                || on == "ort" && name != "model"
                || on == "opencv" && name != "image";
            assert!(!foreign, "{name} must not depend on {on}");
        }
    }
}
