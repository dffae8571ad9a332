//! The nodes of trees in the form that is walked: siblings side by side, checked to be trees.

use std::collections::VecDeque;

use super::node::{LEAF, Node, Rule};
use super::perfect::Perfect;
use super::sets::CategorySet;

/// The lists of a definition.
pub struct Nodes<'a> {
    pub roots: &'a [i32],
    pub features: &'a [i32],
    pub thresholds: &'a [f64],
    pub left: &'a [i32],
    pub right: &'a [i32],
    pub missing: &'a [i32],
    pub categories: &'a [i32],
    pub sets: &'a [CategorySet],
    pub rule: Rule,
    pub single: bool,
}

/// How a node treats missing values: a sum of these.
pub struct Missing;

impl Missing {
    /// NaN goes left.
    pub const LEFT: i32 = 1;
    /// Zero counts as missing. Values up to 1e-35 from zero are zero.
    pub const ZERO: i32 = 2;
    /// NaN counts as zero.
    pub const AS_ZERO: i32 = 4;
    /// NaN goes right, also if the node has a set of categories. Without a rule it is a value that no set contains.
    pub const RIGHT: i32 = 8;
}

/// What only some nodes have.
#[derive(Debug, Clone, Copy, Default)]
pub struct Special {
    pub missing: i32,
    /// The set of categories, or -1.
    pub set: i32,
}

/// All nodes of all trees.
#[derive(Debug, Default)]
pub struct Trees {
    pub nodes: Vec<Node>,
    /// For each node the number of its leaf among all leaves, and in its tree from left to right.
    pub leaf_numbers: Vec<(u32, u32)>,
    /// For each tree its root, and the number of steps to its deepest leaf.
    pub trees: Vec<(u32, u32)>,
    /// The shallow ones in another form.
    pub perfect: Vec<Option<Perfect>>,
    /// Empty if every node compares a number, and NaN goes right.
    pub specials: Vec<Special>,
    pub sets: Vec<CategorySet>,
    pub least_size: usize,
    pub below: bool,
    /// Whether any node has a set of categories, or treats zeros as missing.
    pub has_sets: bool,
    pub zeros_missing: bool,
}

impl Trees {
    pub fn new(given: &Nodes<'_>) -> Result<Self, String> {
        let count = given.features.len();
        let mut leaf_of = vec![u32::MAX; count];
        let leaves = (0..count).filter(|node| given.features[*node] < 0);
        leaves.zip(0..).for_each(|(node, leaf)| leaf_of[node] = leaf);
        let special = |node: usize| Special {
            missing: given.missing.get(node).copied().unwrap_or(0),
            set: given.categories.get(node).copied().unwrap_or(-1),
        };
        let mut trees = Self { below: given.rule == Rule::Below, ..Self::default() };
        trees.sets = given.sets.iter().map(CategorySet::ready).collect::<Result<_, _>>()?;
        let (mut specials, mut used) = (Vec::with_capacity(count), vec![false; count]);
        for root in given.roots {
            trees.add_tree(given, *root, &leaf_of, &mut used, &mut specials, &special)?;
        }
        if specials.iter().any(|s| s.set as usize >= trees.sets.len() && s.set >= 0) {
            return Err("a node names a set of categories that does not exist".to_owned());
        }
        trees.has_sets = specials.iter().any(|s| s.set >= 0);
        trees.zeros_missing = specials.iter().any(|s| s.missing & Missing::ZERO != 0);
        if trees.has_sets || specials.iter().any(|s| s.missing != 0) {
            trees.specials = specials;
        }
        Ok(trees)
    }

    /// Appends the nodes of a tree level by level, so that siblings are neighbours.
    fn add_tree(
        &mut self,
        given: &Nodes<'_>,
        root: i32,
        leaf_of: &[u32],
        used: &mut [bool],
        specials: &mut Vec<Special>,
        special: &impl Fn(usize) -> Special,
    ) -> Result<(), String> {
        let start = self.nodes.len();
        let mut take = |node: i32| {
            let place = usize::try_from(node).ok().filter(|place| *place < used.len() && !used[*place]);
            let place = place.ok_or_else(|| "its nodes do not form trees".to_owned())?;
            used[place] = true;
            Ok::<usize, String>(place)
        };
        let mut waiting = VecDeque::from([(take(root)?, 0)]);
        let mut next = u32::try_from(start + 1).map_err(|_| "it has too many nodes".to_owned())?;
        let mut depth = 0;
        while let Some((node, level)) = waiting.pop_front() {
            depth = depth.max(level);
            let place = self.nodes.len() as u32;
            specials.push(special(node));
            if let Ok(feature) = u32::try_from(given.features[node]) {
                let threshold = given.thresholds[node];
                let threshold = if given.single { f64::from(threshold as f32) } else { threshold };
                self.nodes.push(Node { threshold, feature, left: next });
                self.leaf_numbers.push((u32::MAX, u32::MAX));
                self.least_size = self.least_size.max(feature as usize + 1);
                waiting.push_back((take(given.left[node])?, level + 1));
                waiting.push_back((take(given.right[node])?, level + 1));
                next = next.checked_add(2).ok_or("it has too many nodes")?;
            } else {
                self.nodes.push(Node { threshold: 0.0, feature: LEAF, left: place });
                self.leaf_numbers.push((leaf_of[node], u32::MAX));
            }
        }
        self.trees.push((start as u32, depth));
        let leaves = self.number_leaves(start as u32);
        let perfect = Perfect::of(&self.nodes, &self.leaf_numbers, start as u32, depth, leaves);
        self.perfect.push(perfect);
        Ok(())
    }

    /// Numbers the leaves of a tree from left to right, and returns how many there are.
    fn number_leaves(&mut self, root: u32) -> u32 {
        let (mut waiting, mut number) = (vec![root], 0);
        while let Some(node) = waiting.pop() {
            let Node { feature, left, .. } = self.nodes[node as usize];
            if feature == LEAF {
                self.leaf_numbers[node as usize].1 = number;
                number += 1;
            } else {
                waiting.extend([left + 1, left]);
            }
        }
        number
    }
}
