//! Reads candidates from the outputs of a detector, as [`super::head::Head`] describes them.

use mmlrs_core::{Error, Result};

use super::arrange::{Cell, InputSize};
use super::head::{Queries, Scored, Unit};
use super::suppress::{Candidate, Corners};
use crate::answers::{odd_scores, sigmoid};

/// How far above 1 rounding may take a probability.
const ROUNDING: f32 = 1e-3;

/// Collects the candidates of one image, and checks their numbers.
struct Collected {
    threshold: f32,
    candidates: Vec<Candidate>,
}

impl Collected {
    fn new(threshold: f32) -> Self {
        Self { threshold, candidates: Vec::new() }
    }

    /// Adds a candidate, unless its score is below the threshold. `corners` is called for candidates only.
    fn push(&mut self, class: usize, score: f32, corners: impl FnOnce() -> Corners) -> Result<()> {
        if score < self.threshold {
            return Ok(());
        }
        if !(0.0..=1.0 + ROUNDING).contains(&score) {
            return Err(odd_score(score));
        }
        let corners = corners();
        if !corners.is_finite() {
            return Err(Error::decode("the network's boxes include NaN or an infinity"));
        }
        self.candidates.push(Candidate { class, score, corners });
        Ok(())
    }
}

fn odd_score(score: f32) -> Error {
    if !score.is_finite() {
        return odd_scores();
    }
    Error::decode(format!(
        "the network has a score of {score}, not between 0 and 1: its output is not of this layout; set layout, or use a network that \
         was trained to detect objects"
    ))
}

/// The candidates of one image from an output of boxes with scores. A box belongs to its most probable class, the first among
/// equals.
pub fn scored(values: &[f32], head: &Scored, size: InputSize, threshold: f32) -> Result<Vec<Candidate>> {
    let boxes = values.len() / head.numbers;
    let first = if head.has_objectness { 5 } else { 4 };
    let at = |number: usize, index: usize| {
        if head.is_by_box { values[index * head.numbers + number] } else { values[number * boxes + index] }
    };
    let bests = best_classes(values, head, boxes, first);
    let cells: Vec<Cell> = match head.unit {
        Unit::Cells => size
            .cells(boxes)
            .ok_or_else(|| Error::decode(format!("the network found {boxes} boxes, which its grids do not have")))?,
        _ => Vec::new(),
    };
    let mut collected = Collected::new(threshold);
    for (index, (class, best)) in bests.into_iter().enumerate() {
        let score = if head.has_objectness { best * at(4, index) } else { best };
        collected.push(class, score, || {
            let numbers = [0, 1, 2, 3].map(|number| at(number, index));
            let [x, y, width, height] = match head.unit {
                Unit::Pixels => numbers,
                Unit::Cells => in_cell(numbers, cells[index]),
                Unit::Input => of_input(numbers, size),
            };
            Corners::around(x, y, width, height)
        })?;
    }
    Ok(collected.candidates)
}

/// The most probable class of each box, and its score. A score that is not a number prevails.
fn best_classes(values: &[f32], head: &Scored, boxes: usize, first: usize) -> Vec<(usize, f32)> {
    let mut bests = vec![(0, f32::NEG_INFINITY); boxes];
    let mut offer = |index: usize, class: usize, score: f32| {
        let best: &mut (usize, f32) = &mut bests[index];
        if score > best.1 || (score.is_nan() && !best.1.is_nan()) {
            *best = (class, score);
        }
    };
    if head.is_by_box {
        for (index, row) in values.chunks_exact(head.numbers).enumerate() {
            row[first..first + head.classes].iter().enumerate().for_each(|(class, score)| offer(index, class, *score));
        }
    } else {
        for (class, row) in values.chunks_exact(boxes.max(1)).skip(first).take(head.classes).enumerate() {
            row.iter().enumerate().for_each(|(index, score)| offer(index, class, *score));
        }
    }
    bests
}

fn in_cell([x, y, width, height]: [f32; 4], cell: Cell) -> [f32; 4] {
    let stride = cell.stride as f32;
    [(x + cell.column as f32) * stride, (y + cell.row as f32) * stride, width.exp() * stride, height.exp() * stride]
}

fn of_input([x, y, width, height]: [f32; 4], size: InputSize) -> [f32; 4] {
    let (columns, rows) = (size.columns as f32, size.rows as f32);
    [x * columns, y * rows, width * columns, height * rows]
}

/// The candidates of one image from an output of final boxes. Rows of zeros fill the output.
pub fn finals(values: &[f32], labels: Option<usize>, threshold: f32) -> Result<Vec<Candidate>> {
    let mut collected = Collected::new(threshold);
    for row in values.chunks_exact(6) {
        let &[left, top, right, bottom, score, class] = row else { continue };
        let is_class = class >= 0.0 && class.fract().abs() < f32::EPSILON;
        if score >= threshold && (!is_class || labels.is_some_and(|labels| class as usize >= labels)) {
            let known = labels.map(|labels| format!("; there are {labels} labels")).unwrap_or_default();
            return Err(Error::decode(format!(
                "the network found an object of class {class}, which is no class{known}"
            )));
        }
        collected.push(class as usize, score, || Corners { left, top, right, bottom })?;
    }
    Ok(collected.candidates)
}

/// The candidates of one image from an output of scores and one of boxes. After a softmax a box belongs to its most probable
/// class. After a sigmoid it is a candidate for every class.
pub fn queries(
    scores: &[f32],
    boxes: &[f32],
    head: &Queries,
    size: InputSize,
    threshold: f32,
) -> Result<Vec<Candidate>> {
    let mut collected = Collected::new(threshold);
    let numbers = head.classes + usize::from(head.is_softmax);
    for (row, numbers) in scores.chunks_exact(numbers).zip(boxes.chunks_exact(4)) {
        let corners = || {
            let [x, y, width, height] = of_input([numbers[0], numbers[1], numbers[2], numbers[3]], size);
            Corners::around(x, y, width, height)
        };
        if let Some(odd) = row.iter().find(|score| score.is_nan()) {
            return Err(odd_score(*odd));
        }
        if head.is_softmax {
            let (class, score) = softmax_best(row);
            collected.push(class, score, corners)?;
        } else {
            for (class, score) in row.iter().enumerate() {
                collected.push(class, sigmoid(*score), corners)?;
            }
        }
    }
    Ok(collected.candidates)
}

/// The most probable class but the last, and its probability.
fn softmax_best(row: &[f32]) -> (usize, f32) {
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = row.iter().map(|score| (f64::from(*score) - f64::from(largest)).exp()).sum();
    let classes = &row[..row.len() - 1];
    let best = (0..classes.len()).fold(0, |best, class| if classes[class] > classes[best] { class } else { best });
    let probability = (f64::from(classes[best]) - f64::from(largest)).exp() / sum;
    (best, probability as f32)
}
