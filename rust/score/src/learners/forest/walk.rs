//! Walking from the roots of trees to their leaves.

use super::nodes::{LEAF, Missing, Node, Trees};

/// Number of rows that walk a tree at the same time, so that the processor need not wait for the memory of one.
const LANES: usize = 8;

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

    /// The leaf of each row in a tree, for rows that are plain.
    pub fn walk(&self, tree: usize, rows: &[&[f64]], leaves: &mut [u32]) {
        if self.below {
            self.walk_by(tree, rows, leaves, |value, threshold| !(value < threshold));
        } else {
            self.walk_by(tree, rows, leaves, |value, threshold| !(value <= threshold));
        }
    }

    #[inline]
    fn walk_by(&self, tree: usize, rows: &[&[f64]], leaves: &mut [u32], goes_right: impl Fn(f64, f64) -> bool) {
        let (root, depth) = self.trees[tree];
        let nodes = self.nodes.as_slice();
        let step = |node: u32, row: &[f64]| {
            let Node { threshold, feature, left } = nodes[node as usize];
            // A leaf reads slot 0 and stays where it is.
            let inner = u32::from(feature & LEAF == 0);
            let right = goes_right(row.get((feature & !LEAF) as usize).copied().unwrap_or(0.0), threshold);
            left + (inner & u32::from(right))
        };
        let (groups, rest) = rows.as_chunks::<LANES>();
        let (out, out_rest) = leaves.as_chunks_mut::<LANES>();
        for (rows, out) in groups.iter().zip(out) {
            let mut at = [root; LANES];
            for _ in 0..depth {
                for lane in 0..LANES {
                    at[lane] = step(at[lane], rows[lane]);
                }
            }
            for lane in 0..LANES {
                out[lane] = self.leaf_numbers[at[lane] as usize].0;
            }
        }
        for (row, out) in rest.iter().zip(out_rest) {
            let node = (0..depth).fold(root, |node, _| step(node, row));
            *out = self.leaf_numbers[node as usize].0;
        }
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
