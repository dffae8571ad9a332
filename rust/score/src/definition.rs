//! The definition of a step: a JSON document with a version, a kind and the fitted params of that kind.

use mmlrs_core::{Error, Result};
use serde::Deserialize;
use serde_json::Value;

use crate::features::{
    Affine, Binarize, Bucketize, CountTerms, Encode, Fill, FillText, HashFeatures, Impute, IndexSlots, IndexStrings,
    MinMax, NameSlots, Normalize, OneHot, Polynomial, Products, Project, RemoveStopWords, Slice, Stack, StackNumbers,
    TokenizeText, VectorSize, WeightTerms,
};
use crate::learners::{Classifier, Cluster, Isotonic, Mixture, Regressor};
use crate::step::Step;

/// The newest version of definitions that this code reads.
const VERSION: u64 = 1;

/// A definition by kind.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Definition {
    IndexStrings(IndexStrings),
    IndexSlots(IndexSlots),
    OneHot(OneHot),
    StackNumbers(StackNumbers),
    Stack(Stack),
    Encode(Encode),
    Fill(Fill),
    FillText(FillText),
    Products(Products),
    Affine(Affine),
    MinMax(MinMax),
    Slice(Slice),
    VectorSize(VectorSize),
    Impute(Impute),
    Bucketize(Bucketize),
    Binarize(Binarize),
    Normalize(Normalize),
    Polynomial(Polynomial),
    Project(Project),
    TokenizeText(TokenizeText),
    RemoveStopWords(RemoveStopWords),
    CountTerms(CountTerms),
    WeightTerms(WeightTerms),
    HashFeatures(HashFeatures),
    NameSlots(NameSlots),
    Classifier(Classifier),
    Regressor(Regressor),
    Isotonic(Isotonic),
    Cluster(Cluster),
    Mixture(Mixture),
}

impl Definition {
    /// The step of a document.
    pub fn parse(bytes: &[u8]) -> Result<Box<dyn Step>> {
        let damaged = |cause: String| Error::param("definition", format!("is damaged: {cause}"));
        let mut document: Value = serde_json::from_slice(bytes).map_err(|e| damaged(e.to_string()))?;
        let version = document.as_object_mut().and_then(|members| members.remove("version"));
        match version.as_ref().and_then(Value::as_u64) {
            Some(1..=VERSION) => {}
            Some(newer) if newer > VERSION => {
                let message =
                    format!("has version {newer}, and this mmlrs reads versions up to {VERSION}; update mmlrs");
                return Err(Error::param("definition", message));
            }
            _ => return Err(damaged("it has no version".to_owned())),
        }
        let definition: Self = serde_json::from_value(document).map_err(|e| damaged(e.to_string()))?;
        definition.ready().map_err(damaged)
    }

    /// The step, once its params are checked.
    fn ready(self) -> Result<Box<dyn Step>, String> {
        Ok(match self {
            Self::IndexStrings(step) => Box::new(step.ready()?),
            Self::IndexSlots(step) => Box::new(step.ready()?),
            Self::OneHot(step) => Box::new(step.ready()?),
            Self::StackNumbers(step) => Box::new(step),
            Self::Stack(step) => Box::new(step.ready()?),
            Self::Encode(step) => Box::new(step.ready()?),
            Self::Fill(step) => Box::new(step.ready()?),
            Self::FillText(step) => Box::new(step),
            Self::Products(step) => Box::new(step.ready()?),
            Self::Affine(step) => Box::new(step.ready()?),
            Self::MinMax(step) => Box::new(step.ready()?),
            Self::Slice(step) => Box::new(step.ready()?),
            Self::VectorSize(step) => Box::new(step),
            Self::Impute(step) => Box::new(step),
            Self::Bucketize(step) => Box::new(step.ready()?),
            Self::Binarize(step) => Box::new(step),
            Self::Normalize(step) => Box::new(step),
            Self::Polynomial(step) => Box::new(step.ready()?),
            Self::Project(step) => Box::new(step.ready()?),
            Self::TokenizeText(step) => Box::new(step.ready()?),
            Self::RemoveStopWords(step) => Box::new(step.ready()),
            Self::CountTerms(step) => Box::new(step.ready()?),
            Self::WeightTerms(step) => Box::new(step),
            Self::HashFeatures(step) => Box::new(step.ready()?),
            Self::NameSlots(step) => Box::new(step.ready()?),
            Self::Classifier(step) => Box::new(step.ready()?),
            Self::Regressor(step) => Box::new(step.ready()?),
            Self::Isotonic(step) => Box::new(step.ready()?),
            Self::Cluster(step) => Box::new(step.ready()?),
            Self::Mixture(step) => Box::new(step.ready()?),
        })
    }
}
