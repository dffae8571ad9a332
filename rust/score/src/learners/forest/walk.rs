//! Walking from the roots of trees to their leaves.

use super::node::{LEAF, Node};
use super::nodes::{Missing, Trees};
use super::perfect::LANES;

/// Values up to this distance from zero are zero for nodes that treat zeros as missing, as in LightGBM.
const ZERO: f64 = 1e-35;

impl Trees {
    /// Whether the rows need only the comparisons of [`Trees::walk`].
    pub fn is_plain_for(&self, rows: &[&[f64]]) -> bool {
        if self.specials.is_empty() {
            return true;
        }
        let odd = |value: &f64| value.is_nan() || (self.zeros_missing && value.abs() <= ZERO);
        !self.has_sets && !rows.iter().any(|row| row.iter().any(odd))
    }

    /// The values of rows in groups of [`LANES`], slot by slot, as far as trees read them. Rows that fill no group are left out.
    pub fn groups(&self, rows: &[&[f64]]) -> Vec<[f64; LANES]> {
        let slots = self.least_size;
        let (groups, _) = rows.as_chunks::<LANES>();
        let mut values = vec![[0.0; LANES]; slots * groups.len()];
        for (group, values) in groups.iter().zip(values.chunks_exact_mut(slots.max(1))) {
            for (lane, row) in group.iter().enumerate() {
                values.iter_mut().zip(*row).for_each(|(slot, value)| slot[lane] = *value);
            }
        }
        values
    }

    /// The leaf of each row in a tree, for rows that are plain.
    pub fn walk(&self, tree: usize, rows: &[&[f64]], groups: &[[f64; LANES]], leaves: &mut [u32]) {
        if self.below {
            self.walk_by(tree, rows, groups, leaves, |value, threshold| !(value < threshold));
        } else {
            self.walk_by(tree, rows, groups, leaves, |value, threshold| !(value <= threshold));
        }
    }

    #[inline]
    fn walk_by(
        &self,
        tree: usize,
        rows: &[&[f64]],
        groups: &[[f64; LANES]],
        leaves: &mut [u32],
        goes_right: impl Fn(f64, f64) -> bool,
    ) {
        let (root, depth) = self.trees[tree];
        let (out, out_rest) = leaves.as_chunks_mut::<LANES>();
        let (full, rest) = rows.as_chunks::<LANES>();
        let slots = self.least_size.max(1);
        if let Some(perfect) = &self.perfect[tree] {
            for (group, out) in groups.chunks_exact(slots).zip(out) {
                *out = perfect.walk(group, &goes_right);
            }
        } else {
            for (rows, out) in full.iter().zip(out) {
                *out = self.walk_lanes(root, depth, rows, &goes_right);
            }
        }
        for (row, out) in rest.iter().zip(out_rest) {
            let node = (0..depth).fold(root, |node, _| self.step(node, row, &goes_right));
            *out = self.leaf_numbers[node as usize].0;
        }
    }

    /// The node after one step. A leaf stays where it is.
    #[inline]
    fn step(&self, node: u32, row: &[f64], goes_right: impl Fn(f64, f64) -> bool) -> u32 {
        let Node { threshold, feature, left } = self.nodes[node as usize];
        let inner = u32::from(feature & LEAF == 0);
        let value = row.get((feature & !LEAF) as usize).copied().unwrap_or(0.0);
        left + (inner & u32::from(goes_right(value, threshold)))
    }

    /// The leaves of a group of rows in a deep tree.
    #[inline]
    fn walk_lanes(
        &self,
        root: u32,
        depth: u32,
        rows: &[&[f64]; LANES],
        goes_right: impl Fn(f64, f64) -> bool,
    ) -> [u32; LANES] {
        let mut at = [root; LANES];
        for level in 0..depth {
            for (at, row) in at.iter_mut().zip(rows) {
                *at = self.step(*at, row, &goes_right);
            }
            // Few rows go as deep as the deepest leaf.
            if level % 4 == 3 && at.iter().all(|node| self.nodes[*node as usize].feature == LEAF) {
                break;
            }
        }
        at.map(|node| self.leaf_numbers[node as usize].0)
    }

    /// The node of a row's leaf, for any row.
    pub fn leaf_node(&self, tree: usize, row: &[f64]) -> usize {
        let mut at = self.trees[tree].0 as usize;
        loop {
            let Node { threshold, feature, left } = self.nodes[at];
            if feature == LEAF {
                return at;
            }
            let value = row.get(feature as usize).copied().unwrap_or(0.0);
            at = left as usize + usize::from(!self.goes_left(at, value, threshold));
        }
    }

    fn goes_left(&self, node: usize, mut value: f64, threshold: f64) -> bool {
        let special = self.specials.get(node).copied();
        let missing = special.map_or(0, |special| special.missing);
        if missing & Missing::AS_ZERO != 0 && value.is_nan() {
            value = 0.0;
        }
        if value.is_nan() || (missing & Missing::ZERO != 0 && value.abs() <= ZERO) {
            // Without a rule a missing value fails every comparison and is in no set.
            if missing & (Missing::LEFT | Missing::RIGHT) != 0 || special.is_none_or(|special| special.set < 0) {
                return missing & Missing::LEFT != 0;
            }
        }
        match special.map_or(-1, |special| special.set) {
            -1 if self.below => value < threshold,
            -1 => value <= threshold,
            set => self.sets[set as usize].goes_left(value),
        }
    }

    /// The number of a leaf among all leaves.
    pub fn leaf_number(&self, node: usize) -> u32 {
        self.leaf_numbers[node].0
    }

    /// The number of a leaf in its tree, from left to right.
    pub fn place_in_tree(&self, node: usize) -> u32 {
        self.leaf_numbers[node].1
    }
}
