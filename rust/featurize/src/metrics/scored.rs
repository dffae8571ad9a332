//! Sums over the scores that are kept until all classes are known.

use mmlrs_core::{Error, Result};
use serde::{Deserialize, Serialize};

use super::classes::{Class, Classes, own_id};
use super::ranking::{Ranking, Tie};
use super::scores::{Score, are_probabilities, negative_log, none_for, slot};

/// The scores read so far, by the class of the label.
///
/// Which of two classes is the second, whose score a number is, is known only at the end. So the rows of the first two classes
/// are kept separately as sides, in the order of their first occurrence.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Scored {
    /// Slots of a score; 0 for numbers, `None` before the first row.
    size: Option<usize>,
    /// The ids of the classes of the labels. A third class ends the list.
    sides: Vec<u32>,
    /// The rows of the second side as positive, those of the first as negative.
    ranking: Ranking,
    /// For each side, the weighted sums of the negative log probability of the first and of the second class.
    losses: [[f64; 2]; 2],
    /// The sum for vectors in which the label itself is the index of the slot.
    placed: f64,
    /// Whether a label is not an index of a slot of its vector.
    unplaced: bool,
    /// Whether some scores are not probabilities.
    improper: bool,
}

/// The rows of a batch before they are added to the ranking.
#[derive(Debug, Default)]
pub struct Batch(Vec<Tie>);

/// The result of the scores.
pub enum Outcome {
    /// The sum of the log losses and the ranking, where they are defined.
    Scores(Option<f64>, Option<Vec<Tie>>),
    /// The scores are in the order of these labels, which must be given.
    Order(Vec<Class>),
}

const MORE: usize = 3;

impl Scored {
    /// Adds the score of a row. The error completes the sentence "column `x` ...".
    ///
    /// With `ordered` the class is an index of a label.
    pub fn add(
        &mut self,
        (id, class): (u32, &Class),
        score: Score<'_>,
        weight: f64,
        ordered: bool,
        batch: &mut Batch,
    ) -> Result<(), String> {
        let size = score.size();
        let proper = are_probabilities(score)?;
        let place = class.index().filter(|place| *place < size);
        let outside = size > 0 && place.is_none();
        if let Some(first) = self.size.filter(|first| *first != size) {
            return Err(if outside { none_for(size, class) } else { differs(size, first) });
        }
        if outside && ordered {
            return Err(none_for(size, class));
        }
        self.size = Some(size);
        self.improper |= !proper;
        let own = self.side_of(id);
        match (score.of_two(), place) {
            (Some([first, second]), _) => {
                let Some(own) = own else { return Ok(()) };
                if proper {
                    self.losses[own][0] += weight * negative_log(first);
                    self.losses[own][1] += weight * negative_log(second);
                }
                let (positive, negative) = if own == 1 { (weight, 0.0) } else { (0.0, weight) };
                batch.0.push(Tie { score: second + 0.0, positive, negative });
            }
            (None, Some(place)) if proper => {
                self.placed += score.vector().map_or(0.0, |v| weight * negative_log(slot(v, place)));
            }
            (None, place) => self.unplaced |= place.is_none(),
        }
        Ok(())
    }

    /// The side of a class; `None` for a third class.
    fn side_of(&mut self, id: u32) -> Option<usize> {
        let s = self.sides.iter().position(|s| *s == id);
        if s.is_none() && self.sides.len() < MORE {
            self.sides.push(id);
        }
        s.or(self.sides.len().checked_sub(1)).filter(|s| *s < 2 && self.sides[*s] == id)
    }

    /// Ends a batch.
    pub fn finish_batch(&mut self, batch: Batch) {
        self.ranking.add(batch.0);
    }

    /// Adds another state, whose classes have these ids here.
    pub fn merge(&mut self, mut other: Self, ids: &[u32]) -> Result<()> {
        match (self.size, other.size) {
            (_, None) => return Ok(()),
            (Some(own), Some(size)) if own != size => return Err(Error::decode(differs(size, own))),
            _ => self.size = other.size,
        }
        let mut sides = Vec::with_capacity(other.sides.len());
        for id in &other.sides {
            sides.push(self.side_of(own_id(ids, *id)?));
        }
        if sides.first() == Some(&Some(1)) || sides.get(1) == Some(&Some(0)) {
            other.ranking.swap();
            other.losses.swap(0, 1);
        }
        for (own, other) in self.losses.iter_mut().flatten().zip(other.losses.iter().flatten()) {
            *own += other;
        }
        self.ranking.merge(other.ranking);
        self.placed += other.placed;
        self.unplaced |= other.unplaced;
        self.improper |= other.improper;
        Ok(())
    }

    /// The result of the scores. `all` are the classes of labels and predictions in order, `labels` is the number of given
    /// labels.
    pub fn finish(mut self, classes: &Classes, all: &[Class], labels: Option<usize>) -> Result<Outcome> {
        let own = classes.all();
        let of_two = matches!(self.size, None | Some(0 | 2));
        if !of_two {
            let sum = (!self.improper && !self.unplaced).then_some(self.placed);
            return if self.unplaced { self.order(all) } else { Ok(Outcome::Scores(sum, None)) };
        }
        if self.sides.len() == MORE && self.size == Some(2) {
            return Err(Error::decode(format!("has 2 scores per row, but the labels have {} classes", all.len())));
        }
        let sides: Vec<&Class> = self.sides.iter().map(|id| &own[*id as usize]).collect();
        let second = second_side(&sides, all).filter(|_| labels.is_none_or(|count| count == 2));
        let Some(second) = second else { return Ok(Outcome::Scores(None, None)) };
        if second == 0 {
            self.ranking.swap();
        }
        let sum = self.losses[second][1] + self.losses[1 - second][0];
        Ok(Outcome::Scores((!self.improper).then_some(sum), Some(self.ranking.ties())))
    }

    /// The order of the labels, whose number must equal the slots of a vector.
    fn order(self, all: &[Class]) -> Result<Outcome> {
        let size = self.size.unwrap_or_default();
        if all.len() != size {
            let message = format!(
                "has {size} scores per row, but the labels have {} classes; set `labels` to the classes of the scores",
                all.len()
            );
            return Err(Error::decode(message));
        }
        Ok(Outcome::Order(all.to_vec()))
    }
}

/// The side whose class is the second of two, in the order of `all`. `None` if that is unknown or if there are more classes.
fn second_side(sides: &[&Class], all: &[Class]) -> Option<usize> {
    match sides {
        [] => Some(1),
        [first, second] => {
            let place = |class: &Class| all.iter().position(|c| c == class);
            Some(usize::from(place(second)? > place(first)?))
        }
        [only] if all.len() == 2 => Some(usize::from(**only != all[1])),
        _ => None,
    }
}

fn differs(size: usize, first: usize) -> String {
    format!("has {size} scores, but earlier rows have {first}")
}

#[cfg(test)]
mod tests {
    use super::super::ranking::area_under_roc;
    use super::*;
    use crate::order::key_of;

    /// The outcome of rows of a label and a score, given in parts that are merged in order.
    fn outcome(parts: &[&[(&str, f64)]], labels: Option<usize>) -> Result<Outcome> {
        let (mut classes, mut all_scored) = (Classes::default(), Scored::default());
        for part in parts {
            let (mut own, mut scored, mut batch) = (Classes::default(), Scored::default(), Batch::default());
            for (label, score) in *part {
                let id = own.number_of(Class::Text((*label).to_owned()))?;
                scored
                    .add((id, &own.class(id).clone()), Score::Number(*score), 1.0, false, &mut batch)
                    .map_err(Error::decode)?;
            }
            scored.finish_batch(batch);
            let ids: Vec<u32> =
                own.all().iter().map(|class| classes.number_of(class.clone())).collect::<Result<_>>()?;
            all_scored.merge(scored, &ids)?;
        }
        let mut all = classes.all().to_vec();
        all.sort_unstable();
        all_scored.finish(&classes, &all, labels)
    }

    const ROWS: [(&str, f64); 3] = [("no", 0.1), ("yes", 0.9), ("no", 0.6)];

    #[test]
    fn a_number_is_the_score_of_the_second_label_whichever_comes_first() -> Result<()> {
        let expected = -(0.9_f64.ln() + 0.9_f64.ln() + 0.4_f64.ln());
        for parts in [vec![&ROWS[..]], vec![&ROWS[1..], &ROWS[..1]], vec![&ROWS[..1], &[], &ROWS[1..2], &ROWS[2..]]] {
            let Outcome::Scores(Some(sum), Some(ties)) = outcome(&parts, None)? else {
                return Err(Error::runtime("no ranking"));
            };
            assert!((sum - expected).abs() < 1e-12, "{sum} is not {expected}");
            assert_eq!(area_under_roc(&ties), Some(1.0));
        }
        Ok(())
    }

    #[test]
    fn one_number_says_nothing_of_three_classes_or_of_one() -> Result<()> {
        let three = [("a", 0.1), ("b", 0.2), ("c", 0.3)];
        for rows in [&three[..], &three[..1]] {
            assert!(matches!(outcome(&[rows], None)?, Outcome::Scores(None, None)));
        }
        assert!(matches!(outcome(&[&ROWS[..]], Some(3))?, Outcome::Scores(None, None)));
        Ok(())
    }

    #[test]
    fn numbers_order_as_classes_do() {
        let [low, high] = [-1.0, 1.0].map(|n| Class::Number(key_of(n)));
        assert_eq!(second_side(&[&high, &low], &[low.clone(), high.clone()]), Some(0));
        assert_eq!(second_side(&[&low], &[low.clone(), high.clone()]), Some(1));
        // The declared order, which may differ from the order of the values.
        assert_eq!(second_side(&[&high, &low], &[high.clone(), low.clone()]), Some(1));
        assert_eq!(second_side(&[&low], std::slice::from_ref(&low)), None);
    }
}
