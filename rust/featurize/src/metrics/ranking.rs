//! How well scores rank positive rows above negative ones. The result is exact, including ties, and mergeable.

use serde::{Deserialize, Serialize};

use crate::order::key_of;

/// The rows with the same score.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Tie {
    /// The score.
    pub score: f64,
    /// Weight of the positive rows.
    pub positive: f64,
    /// Weight of the negative rows.
    pub negative: f64,
}

/// A point of the curves: the predicted positives if all scores of at least `threshold` are positive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// The smallest positive score; infinite if there is none.
    pub threshold: f64,
    /// Weight of the positive rows among them.
    pub true_positives: f64,
    /// Weight of the negative rows among them.
    pub false_positives: f64,
}

/// The scores read so far with the weights of their rows, as runs sorted by descending score.
///
/// As in a log-structured merge tree, a run is merged with the previous one if it is at least as long. Every row is moved O(log
/// n) times, and equal scores share an entry.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Ranking(Vec<Vec<Tie>>);

impl Ranking {
    /// Adds rows in any order. Scores must not be NaN.
    pub fn add(&mut self, mut rows: Vec<Tie>) {
        rows.sort_unstable_by(|a, b| b.score.total_cmp(&a.score));
        let mut run: Vec<Tie> = Vec::with_capacity(rows.len());
        for row in rows {
            push(&mut run, row);
        }
        self.push_run(run);
    }

    /// Adds the rows of another ranking.
    pub fn merge(&mut self, other: Self) {
        other.0.into_iter().for_each(|run| self.push_run(run));
    }

    /// Swaps positive and negative rows.
    pub fn swap(&mut self) {
        for tie in self.0.iter_mut().flatten() {
            std::mem::swap(&mut tie.positive, &mut tie.negative);
        }
    }

    fn push_run(&mut self, mut run: Vec<Tie>) {
        while let Some(last) = self.0.pop_if(|last| last.len() <= run.len()) {
            run = merged(&last, &run);
        }
        if !run.is_empty() {
            self.0.push(run);
        }
    }

    /// All scores, descending.
    pub fn ties(mut self) -> Vec<Tie> {
        let mut all = self.0.pop().unwrap_or_default();
        while let Some(run) = self.0.pop() {
            all = merged(&run, &all);
        }
        all
    }
}

/// Appends a tie, merging it with the last one if the scores are equal. -0.0 counts as 0.0.
fn push(run: &mut Vec<Tie>, tie: Tie) {
    match run.last_mut() {
        Some(last) if key_of(last.score) == key_of(tie.score) => {
            last.positive += tie.positive;
            last.negative += tie.negative;
        }
        _ => run.push(tie),
    }
}

fn merged(left: &[Tie], right: &[Tie]) -> Vec<Tie> {
    let mut out = Vec::with_capacity(left.len() + right.len());
    let (mut i, mut j) = (0, 0);
    while i < left.len() && j < right.len() {
        if left[i].score >= right[j].score {
            push(&mut out, left[i]);
            i += 1;
        } else {
            push(&mut out, right[j]);
            j += 1;
        }
    }
    left[i..].iter().chain(&right[j..]).for_each(|tie| push(&mut out, *tie));
    out
}

/// Total weights of the positive and the negative rows.
pub fn totals(ties: &[Tie]) -> (f64, f64) {
    ties.iter().fold((0.0, 0.0), |(p, n), tie| (p + tie.positive, n + tie.negative))
}

/// Area under the ROC curve by the trapezoidal rule: the probability that a positive row scores above a negative one, where
/// ties count half. None without rows of both classes.
pub fn area_under_roc(ties: &[Tie]) -> Option<f64> {
    let (positive, negative) = totals(ties);
    let (mut above, mut area) = (0.0, 0.0);
    for tie in ties {
        area += tie.negative * (above + tie.positive / 2.0);
        above += tie.positive;
    }
    (positive > 0.0 && negative > 0.0).then(|| area / (positive * negative))
}

/// Average precision: the sum of the precisions at each score, weighted by the recall gained there (as in scikit-learn, without
/// interpolation). None without positive rows.
pub fn average_precision(ties: &[Tie]) -> Option<f64> {
    let (positive, _) = totals(ties);
    let (mut hits, mut all, mut sum) = (0.0, 0.0, 0.0);
    for tie in ties {
        hits += tie.positive;
        all += tie.positive + tie.negative;
        if tie.positive > 0.0 {
            sum += tie.positive * hits / all;
        }
    }
    (positive > 0.0).then(|| sum / positive)
}

/// The points of the curves, at most about `limit` of them: the first, the last, and points between them at roughly equal
/// distances along the ROC curve.
pub fn curve(ties: &[Tie], limit: usize) -> Vec<Point> {
    let (positive, negative) = totals(ties);
    let length = |p: f64, n: f64| p / positive.max(f64::MIN_POSITIVE) + n / negative.max(f64::MIN_POSITIVE);
    let step = if ties.len() <= limit { 0.0 } else { length(positive, negative) / limit as f64 };
    let mut points = vec![Point { threshold: f64::INFINITY, true_positives: 0.0, false_positives: 0.0 }];
    let (mut p, mut n, mut next) = (0.0, 0.0, step);
    for (i, tie) in ties.iter().enumerate() {
        p += tie.positive;
        n += tie.negative;
        if length(p, n) >= next || i + 1 == ties.len() {
            points.push(Point { threshold: tie.score, true_positives: p, false_positives: n });
            next = length(p, n) + step;
        }
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(scores: &[(f64, bool)]) -> Vec<Tie> {
        let tie = |(score, positive): &(f64, bool)| Tie {
            score: *score,
            positive: f64::from(u8::from(*positive)),
            negative: f64::from(u8::from(!*positive)),
        };
        scores.iter().map(tie).collect()
    }

    const SCORES: [(f64, bool); 8] = [
        (0.1, false),
        (0.4, false),
        (0.35, true),
        (0.8, true),
        (0.4, true),
        (0.8, false),
        (f64::NEG_INFINITY, false),
        (0.35, true),
    ];

    fn ranking(parts: &[&[(f64, bool)]]) -> Vec<Tie> {
        let mut all = Ranking::default();
        for part in parts {
            let mut one = Ranking::default();
            one.add(rows(part));
            all.merge(one);
        }
        all.ties()
    }

    /// Values computed with scikit-learn.
    #[test]
    fn areas_are_those_of_scikit_learn() {
        let ties = ranking(&[&SCORES]);
        assert_eq!(ties.iter().map(|t| t.score).collect::<Vec<_>>(), [0.8, 0.4, 0.35, 0.1, f64::NEG_INFINITY]);
        assert_eq!(area_under_roc(&ties), Some(0.625));
        assert!((average_precision(&ties).unwrap_or_default() - 0.583_333_333_333_333_3).abs() < 1e-15);
    }

    #[test]
    fn the_split_of_the_rows_does_not_matter() {
        let single = ranking(&[&SCORES]);
        assert_eq!(ranking(&[&SCORES[..1], &SCORES[1..3], &[], &SCORES[3..]]), single);
        assert_eq!(ranking(&[&SCORES[5..], &SCORES[..5]]), single);
    }

    #[test]
    fn rows_of_one_kind_have_no_area() {
        let positive = ranking(&[&[(0.5, true), (0.7, true)]]);
        assert_eq!((area_under_roc(&positive), average_precision(&positive)), (None, Some(1.0)));
        let negative = ranking(&[&[(0.5, false)]]);
        assert_eq!((area_under_roc(&negative), average_precision(&negative)), (None, None));
        assert_eq!(area_under_roc(&[]), None);
    }

    #[test]
    fn curves_are_thinned_and_keep_their_ends() {
        let ties: Vec<Tie> = (0..10_000)
            .map(|i| Tie { score: f64::from(-i), positive: f64::from(i % 2), negative: f64::from((i + 1) % 2) })
            .collect();
        let points = curve(&ties, 100);
        assert!((90..=101).contains(&points.len()), "{}", points.len());
        assert_eq!((points[0].true_positives, points[0].false_positives), (0.0, 0.0));
        let last = points.last().map(|p| (p.true_positives, p.false_positives));
        assert_eq!(last, Some((5000.0, 5000.0)));
        assert_eq!(curve(&ties[..10], 100).len(), 11);
    }
}
