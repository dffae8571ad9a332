//! The stages of all crates.

use std::sync::LazyLock;

use mmlrs_core::{Error, Fit, HasSample, Result, Stage, StageList, Summarize, Transform};

use crate::Entry;

static STAGES: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    let mut list = Entries(Vec::new());
    mmlrs_image::stages::register(&mut list);
    mmlrs_text::stages::register(&mut list);
    mmlrs_descriptors::stages::register(&mut list);
    mmlrs_model::stages::register(&mut list);
    mmlrs_featurize::stages::register(&mut list);
    mmlrs_score::stages::register(&mut list);
    mmlrs_ann::stages::register(&mut list);
    list.transform::<crate::identity::Identity>();
    list.0
});

struct Entries(Vec<Entry>);

impl StageList for Entries {
    fn transform<T: Stage + Transform + HasSample>(&mut self) {
        self.0.push(Entry::native::<T>());
    }

    fn fit<T: Fit + HasSample>(&mut self) {
        self.0.push(Entry::estimator::<T>());
    }

    fn summary<T: Summarize + HasSample>(&mut self) {
        self.0.push(Entry::summary::<T>());
    }

    fn python<T: Stage + HasSample>(&mut self) {
        self.0.push(Entry::python::<T>());
    }
}

/// Every stage.
pub fn stages() -> &'static [Entry] {
    &STAGES
}

/// The stage with that class name.
pub fn find(name: &str) -> Result<&'static Entry> {
    STAGES
        .iter()
        .find(|entry| entry.spec().name == name)
        .ok_or_else(|| Error::param("stage", format!("there is no stage named {name}")))
}
