//! Shallow trees, filled up to perfect ones: the place of a node follows from the path to it.

use super::node::{LEAF, Node};

/// Number of rows that walk a tree at the same time, so that the processor need not wait for the memory of one.
pub const LANES: usize = 16;

/// Maximum depth of a tree that is filled up, and of one that is filled up however few leaves it has.
const FILLED_DEPTH: u32 = 10;
const ALWAYS: u32 = 6;

/// The inner nodes of a tree level by level, and the leaf at the end of each path.
#[derive(Debug, Clone, Default)]
pub struct Perfect {
    depth: u32,
    /// Thresholds and slots; an unused place comes first, so that the children of place `i` are `2 i` and `2 i + 1`.
    thresholds: Vec<f64>,
    features: Vec<u32>,
    /// The number of each leaf among all leaves.
    leaves: Vec<u32>,
}

impl Perfect {
    /// The filled form of a tree, if it is shallow enough.
    pub fn of(nodes: &[Node], numbers: &[(u32, u32)], root: u32, depth: u32, leaves: u32) -> Option<Self> {
        if depth == 0 || depth > FILLED_DEPTH || (depth > ALWAYS && (1_u32 << depth) > 16 * leaves) {
            return None;
        }
        let size = 1_usize << depth;
        let mut perfect = Self { depth, thresholds: vec![0.0; size], features: vec![0; size], leaves: vec![0; size] };
        perfect.fill(nodes, numbers, root, 1);
        Some(perfect)
    }

    /// Fills the places from one on. Below a leaf, every path leads to that leaf.
    fn fill(&mut self, nodes: &[Node], numbers: &[(u32, u32)], node: u32, place: usize) {
        let size = self.leaves.len();
        let Node { threshold, feature, left } = nodes[node as usize];
        if place >= size {
            self.leaves[place - size] = numbers[node as usize].0;
            return;
        }
        let inner = feature & LEAF == 0;
        if inner {
            self.thresholds[place] = threshold;
            self.features[place] = feature;
        }
        self.fill(nodes, numbers, if inner { left } else { node }, 2 * place);
        self.fill(nodes, numbers, if inner { left + 1 } else { node }, 2 * place + 1);
    }

    /// The leaf of each row of a group, whose values are given slot by slot.
    #[inline]
    pub fn walk(&self, group: &[[f64; LANES]], goes_right: impl Fn(f64, f64) -> bool) -> [u32; LANES] {
        let mut at = [1_usize; LANES];
        let (thresholds, features) = (self.thresholds.as_slice(), &self.features[..self.thresholds.len()]);
        for _ in 0..self.depth {
            for (lane, at) in at.iter_mut().enumerate() {
                let value = group[features[*at] as usize][lane];
                *at = 2 * *at + usize::from(goes_right(value, thresholds[*at]));
            }
        }
        at.map(|place| self.leaves[place - self.leaves.len()])
    }
}
