//! Counts of predicted classes and their scores.

use std::collections::{BTreeMap, HashMap};

use mmlrs_core::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::classes::{Class, Classes, own_id};
use super::ranking::{area_under_roc, average_precision, curve};
use super::scored::{Batch, Outcome, Scored};
use super::scores::Score;
use crate::json_number::json_of;
use crate::order::key_of;

/// The counts of the rows read so far.
#[derive(Debug, Serialize, Deserialize)]
pub struct Counts {
    classes: Classes,
    rows: u64,
    /// Weight of the rows with a class and a predicted class.
    confusion: HashMap<(u32, u32), f64, foldhash::fast::RandomState>,
    /// None if there are no scores.
    scored: Option<Scored>,
    /// Whether predicted numbers are indices of labels rather than labels.
    places: bool,
    /// The classes that the type of the label column declares, in order; empty if it declares none.
    declared: Vec<Class>,
}

impl Counts {
    /// The counts before any row.
    pub fn new(scores: bool, places: bool) -> Self {
        Self {
            classes: Classes::default(),
            rows: 0,
            confusion: HashMap::default(),
            scored: scores.then(Scored::default),
            places,
            declared: Vec::new(),
        }
    }

    /// Orders the classes as the type of the label column declares, rather than ascending.
    #[must_use]
    pub fn with_declared(self, declared: Vec<Class>) -> Self {
        Self { declared, ..self }
    }

    /// Whether predicted numbers are indices of labels rather than labels.
    pub fn places(&self) -> bool {
        self.places
    }

    /// Number of rows.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The classes.
    pub fn classes_mut(&mut self) -> &mut Classes {
        &mut self.classes
    }

    /// Adds a row with its classes.
    pub fn add(&mut self, label: u32, prediction: Option<u32>, weight: f64) {
        self.rows += 1;
        // Without predictions only the labels are counted.
        *self.confusion.entry((label, prediction.unwrap_or(label))).or_default() += weight;
    }

    /// Adds the score of a row. The error is that of the row. With `ordered` the class is an index of a label.
    pub fn add_score(
        &mut self,
        label: u32,
        score: Score<'_>,
        weight: f64,
        ordered: bool,
        batch: &mut Batch,
    ) -> Result<(), String> {
        let Some(scored) = &mut self.scored else { return Ok(()) };
        scored.add((label, self.classes.class(label)), score, weight, ordered, batch)
    }

    /// Ends a batch.
    pub fn finish_batch(&mut self, batch: Batch) {
        if let Some(scored) = &mut self.scored {
            scored.finish_batch(batch);
        }
    }

    /// Adds the counts of another state.
    pub fn merge(&mut self, other: Self) -> Result<()> {
        let ids: Vec<u32> =
            other.classes.all().iter().map(|class| self.classes.number_of(class.clone())).collect::<Result<_>>()?;
        for ((label, prediction), weight) in other.confusion {
            *self.confusion.entry((own_id(&ids, label)?, own_id(&ids, prediction)?)).or_default() += weight;
        }
        if let (Some(own), Some(other)) = (&mut self.scored, other.scored) {
            own.merge(other, &ids)?;
        }
        self.rows += other.rows;
        Ok(())
    }

    /// The metrics by name; null if not defined. `labels` are the strings of classes that are indices.
    ///
    /// If the order of the labels must be given, the result has only the labels, under `order`.
    pub fn metrics(mut self, labels: Option<&[String]>, predicted: bool, curve_points: usize) -> Result<Value> {
        let classes = self.ordered(labels.map(<[String]>::len))?;
        if predicted && labels.is_none() {
            self.check_fractions()?;
        }
        let scored =
            self.scored.take().map(|scored| scored.finish(&self.classes, &classes, labels.map(<[String]>::len)));
        let (log_loss, ties) = match scored.transpose()? {
            None => (None, None),
            Some(Outcome::Scores(log_loss, ties)) => (log_loss, ties),
            Some(Outcome::Order(classes)) => {
                return Ok(json!({"order": classes.iter().map(Class::to_value).collect::<Vec<_>>()}));
            }
        };
        let place: BTreeMap<&Class, usize> = classes.iter().enumerate().map(|(i, c)| (c, i)).collect();
        let mut matrix = vec![vec![0.0; classes.len()]; classes.len()];
        for ((label, prediction), weight) in &self.confusion {
            matrix[place[self.classes.class(*label)]][place[self.classes.class(*prediction)]] += weight;
        }
        let name = |(i, class): (usize, &Class)| match (labels, class) {
            (Some(labels), Class::Number(_)) => labels[i].clone(),
            (_, Class::Text(text)) => text.clone(),
            (None, Class::Number(_)) => class.number().unwrap_or_default().to_string(),
        };
        let names: Vec<String> = classes.iter().enumerate().map(name).collect();
        let weight: f64 = self.confusion.values().sum();
        let number = |value: Option<f64>| value.map(json_of).unwrap_or_default();
        let mut metrics = json!({
            "evaluation_type": "classification",
            "rows": self.rows,
            "labels": names,
            "log_loss": number(log_loss.filter(|_| weight > 0.0).map(|sum| sum / weight)),
        });
        if predicted {
            metrics["confusion_matrix"] = json!(matrix);
            let binary = classes.len() <= 2;
            for (name, value) in Averages::of(&matrix, binary.then_some(classes.len().saturating_sub(1))) {
                metrics[name] = number(value);
            }
        }
        if let Some(ties) = ties {
            metrics["AUC"] = number(area_under_roc(&ties));
            metrics["areaUnderPR"] = number(average_precision(&ties));
            metrics["curve"] = curve(&ties, curve_points)
                .iter()
                .map(|point| json!([json_of(point.threshold), point.true_positives, point.false_positives]))
                .collect();
        }
        Ok(metrics)
    }

    /// Returns an error for predicted fractions if the labels are integers: those are probabilities, or a regression.
    fn check_fractions(&self) -> Result<()> {
        let number = |id: u32| self.classes.class(id).number();
        let integers = self.confusion.keys().all(|(label, _)| number(*label).is_some_and(|n| n.fract() == 0.0));
        let fraction =
            self.confusion.keys().find_map(|(_, prediction)| number(*prediction).filter(|n| n.fract() != 0.0));
        match fraction {
            Some(fraction) if integers => Err(Error::decode(format!(
                "the predictions contain {fraction}, but the labels are integers; pass probabilities as `scoresCol`, or evaluate \
                 the numbers with evaluationMetric=\"regression\""
            ))),
            _ => Ok(()),
        }
    }

    /// The classes in order. With `labels`, the first ones are those of the labels, whether they occur or not.
    fn ordered(&self, labels: Option<usize>) -> Result<Vec<Class>> {
        // Only the classes of counted rows: a row that was left out may have contained others.
        let counted = self.confusion.keys().flat_map(|(label, prediction)| [*label, *prediction]);
        let mut classes: Vec<Class> = counted.map(|id| self.classes.class(id).clone()).collect();
        if let Some(labels) = labels {
            let outside = classes.iter().find(|class| class.index().is_none_or(|place| place >= labels));
            if let Some(class) = outside {
                let shown = class.number().map_or_else(String::new, |n| n.to_string());
                return Err(Error::decode(format!("the class {shown} is beyond the {labels} labels")));
            }
            classes.extend((0..labels).map(|place| Class::Number(key_of(place as f64))));
        } else if classes.iter().all(|class| class.is_positive().is_some()) && !classes.is_empty() {
            // If the rows contain one class only, there are still two classes.
            classes.extend([0.0, 1.0].map(|n| Class::Number(key_of(n))));
        }
        classes.sort_unstable();
        classes.dedup();
        if labels.is_none() && !self.declared.is_empty() {
            classes.sort_by_key(|class| self.declared.iter().position(|d| d == class).unwrap_or(usize::MAX));
        }
        Ok(classes)
    }
}

/// Metrics computed from a confusion matrix.
struct Averages;

impl Averages {
    /// Their names and values. `positive` is the positive class of two. With more classes the plain metrics are micro-averaged.
    /// Precision, recall and F1 of a class without predictions or labels are 0, as in scikit-learn. Classes without either are
    /// left out of the averages.
    fn of(matrix: &[Vec<f64>], positive: Option<usize>) -> Vec<(&'static str, Option<f64>)> {
        let n = matrix.len();
        let hits: Vec<f64> = (0..n).map(|i| matrix[i][i]).collect();
        let labelled: Vec<f64> = matrix.iter().map(|row| row.iter().sum()).collect();
        let predicted: Vec<f64> = (0..n).map(|j| matrix.iter().map(|row| row[j]).sum()).collect();
        let total: f64 = labelled.iter().sum();
        let some = total > 0.0;
        let ratio = |a: f64, b: f64| if b > 0.0 { a / b } else { 0.0 };
        let precision: Vec<f64> = (0..n).map(|i| ratio(hits[i], predicted[i])).collect();
        let recall: Vec<f64> = (0..n).map(|i| ratio(hits[i], labelled[i])).collect();
        let f1: Vec<f64> = (0..n).map(|i| ratio(2.0 * hits[i], labelled[i] + predicted[i])).collect();
        let present: Vec<usize> = (0..n).filter(|i| labelled[*i] + predicted[*i] > 0.0).collect();
        let macro_of = |of: &[f64]| some.then(|| present.iter().map(|i| of[*i]).sum::<f64>() / present.len() as f64);
        let weighted = |of: &[f64]| some.then(|| (0..n).map(|i| of[i] * labelled[i]).sum::<f64>() / total);
        let accuracy = some.then(|| hits.iter().sum::<f64>() / total);
        let plain = |of: &[f64]| match positive {
            Some(class) => some.then(|| of[class]),
            None => accuracy, // the micro-average
        };
        vec![
            ("accuracy", accuracy),
            ("precision", plain(&precision)),
            ("recall", plain(&recall)),
            ("f1_score", plain(&f1)),
            ("macro_averaged_precision", macro_of(&precision)),
            ("macro_averaged_recall", macro_of(&recall)),
            ("macro_averaged_f1_score", macro_of(&f1)),
            ("weighted_precision", weighted(&precision)),
            ("weighted_recall", weighted(&recall)),
            ("weighted_f1_score", weighted(&f1)),
        ]
    }
}
