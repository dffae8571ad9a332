//! The metrics of models that users can request by name.

/// The kind of prediction that a metric judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    /// Predicted classes.
    Classification,
    /// Predicted numbers.
    Regression,
}

impl Judged {
    /// The name that users write.
    pub fn name(self) -> &'static str {
        match self {
            Self::Classification => "classification",
            Self::Regression => "regression",
        }
    }
}

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name in params.
    pub name: &'static str,
    /// Its column in a table of statistics.
    pub column: &'static str,
    /// The kind of prediction it judges.
    pub of: Judged,
    /// Whether larger values are better.
    pub larger_is_better: bool,
    /// Whether it needs scores in addition to the predictions.
    pub of_scores: bool,
}

const fn of_classes(name: &'static str, column: &'static str) -> Metric {
    Metric { name, column, of: Judged::Classification, larger_is_better: true, of_scores: false }
}

const fn of_numbers(name: &'static str, column: &'static str) -> Metric {
    Metric { name, column, of: Judged::Regression, larger_is_better: false, of_scores: false }
}

/// Every metric, in the order of the columns.
pub const METRICS: [Metric; 11] = [
    of_classes("accuracy", "accuracy"),
    of_classes("precision", "precision"),
    of_classes("recall", "recall"),
    of_classes("f1", "f1_score"),
    Metric { of_scores: true, ..of_classes("AUC", "AUC") },
    Metric { of_scores: true, ..of_classes("areaUnderPR", "areaUnderPR") },
    Metric { of_scores: true, larger_is_better: false, ..of_classes("log_loss", "log_loss") },
    of_numbers("mse", "mean_squared_error"),
    of_numbers("rmse", "root_mean_squared_error"),
    Metric { larger_is_better: true, ..of_numbers("r2", "R^2") },
    of_numbers("mae", "mean_absolute_error"),
];

/// The names of all metrics after some other words: the allowed values of a param.
pub const fn metric_names<const WORDS: usize, const ALL: usize>(words: [&'static str; WORDS]) -> [&'static str; ALL] {
    assert!(ALL == WORDS + METRICS.len(), "a place for each word and each metric");
    let mut names = [""; ALL];
    let mut at = 0;
    while at < ALL {
        names[at] = if at < WORDS { words[at] } else { METRICS[at - WORDS].name };
        at += 1;
    }
    names
}

/// The metric with that name.
pub fn metric(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_words_in_the_order_of_the_metrics() {
        const NAMES: [&str; METRICS.len() + 1] = metric_names(["all"]);
        assert_eq!((NAMES[0], NAMES[1], NAMES[METRICS.len()]), ("all", "accuracy", "mae"));
        assert!(NAMES[1..].iter().all(|name| metric(name).is_some_and(|metric| metric.name == *name)));
        assert_eq!(metric("all"), None);
    }

    #[test]
    fn losses_and_errors_are_better_when_they_are_smaller() {
        let smaller: Vec<&str> = METRICS.iter().filter(|metric| !metric.larger_is_better).map(|m| m.name).collect();
        assert_eq!(smaller, ["log_loss", "mse", "rmse", "mae"]);
    }
}
