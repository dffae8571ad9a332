//! Boxes, their overlap, and non-maximum suppression.

/// A box in pixels of the network's input.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Corners {
    pub left: f32,
    pub top: f32,
    pub right: f32,
    pub bottom: f32,
}

impl Corners {
    /// The box with this centre and these sides.
    pub fn around(x: f32, y: f32, width: f32, height: f32) -> Self {
        let (half_width, half_height) = (width / 2.0, height / 2.0);
        Self { left: x - half_width, top: y - half_height, right: x + half_width, bottom: y + half_height }
    }

    /// Whether all four numbers are finite.
    pub fn is_finite(&self) -> bool {
        [self.left, self.top, self.right, self.bottom].iter().all(|side| side.is_finite())
    }

    fn area(&self) -> f32 {
        (self.right - self.left).max(0.0) * (self.bottom - self.top).max(0.0)
    }

    /// Area of the intersection over that of the union; 0 if both are empty.
    pub fn overlap(&self, other: &Self) -> f32 {
        let width = self.right.min(other.right) - self.left.max(other.left);
        let height = self.bottom.min(other.bottom) - self.top.max(other.top);
        let shared = width.max(0.0) * height.max(0.0);
        let union = self.area() + other.area() - shared;
        if union > 0.0 { shared / union } else { 0.0 }
    }
}

/// A box that may hold an object.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    pub class: usize,
    pub score: f32,
    pub corners: Corners,
}

/// Sorts candidates by score, highest first, and keeps the first `most`. Equal scores keep their order.
pub fn best(mut candidates: Vec<Candidate>, most: usize) -> Vec<Candidate> {
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
    candidates.truncate(most);
    candidates
}

/// Greedy non-maximum suppression within each class: from the highest score down, a candidate is kept unless its overlap with a
/// kept one of its class exceeds `threshold`. Stops at `most` kept candidates.
pub fn suppressed(candidates: Vec<Candidate>, threshold: f32, most: usize) -> Vec<Candidate> {
    let mut kept: Vec<Candidate> = Vec::new();
    for candidate in best(candidates, usize::MAX) {
        if kept.len() == most {
            break;
        }
        let hidden =
            |other: &Candidate| other.class == candidate.class && other.corners.overlap(&candidate.corners) > threshold;
        if !kept.iter().any(hidden) {
            kept.push(candidate);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corners(left: f32, top: f32, right: f32, bottom: f32) -> Corners {
        Corners { left, top, right, bottom }
    }

    #[test]
    fn the_overlap_is_intersection_over_union() {
        let unit = corners(0.0, 0.0, 2.0, 2.0);
        for (other, expected) in [
            (unit, 1.0),
            (corners(1.0, 0.0, 3.0, 2.0), 1.0 / 3.0),
            (corners(2.0, 2.0, 3.0, 3.0), 0.0),
            (corners(5.0, 5.0, 4.0, 4.0), 0.0),
        ] {
            assert!((unit.overlap(&other) - expected).abs() < 1e-6, "{other:?}");
        }
        let empty = corners(1.0, 1.0, 1.0, 1.0);
        assert_eq!(empty.overlap(&empty).to_bits(), 0.0f32.to_bits());
    }

    #[test]
    fn only_boxes_of_the_same_class_hide_each_other() {
        let at = |class, score, left: f32| Candidate { class, score, corners: corners(left, 0.0, left + 10.0, 10.0) };
        let all = vec![at(0, 0.6, 0.5), at(0, 0.9, 0.0), at(1, 0.8, 0.0), at(0, 0.7, 9.0), at(0, 0.5, 1.0)];
        let scores = |kept: Vec<Candidate>| kept.iter().map(|c| (c.class, c.score)).collect::<Vec<_>>();
        assert_eq!(scores(suppressed(all.clone(), 0.45, 300)), [(0, 0.9), (1, 0.8), (0, 0.7)]);
        assert_eq!(scores(suppressed(all.clone(), 0.45, 2)), [(0, 0.9), (1, 0.8)]);
        assert_eq!(suppressed(all, 1.0, 300).len(), 5);
        assert!(suppressed(Vec::new(), 0.5, 3).is_empty());
    }
}
