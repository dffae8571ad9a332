//! Trees and sums of trees.

mod node;
mod nodes;
mod perfect;
mod sets;
mod walk;

use mmlrs_core::vector::VectorRow;
use serde::Deserialize;

use crate::numbers::{Floats, Ints};
use crate::vectors::fill_dense;
use node::Rule;
use nodes::{Nodes, Trees};
use sets::CategorySet;

/// A sum of trees, as a definition gives it. A value that is not a number goes right, if its node does not say otherwise.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forest {
    /// The root node of each tree.
    roots: Ints,
    /// For each node the slot that it reads, or -1 for a leaf.
    features: Ints,
    thresholds: Floats,
    left: Ints,
    right: Ints,
    /// For each node how missing values go: see [`nodes::Missing`]. Empty if none has a rule of its own.
    #[serde(default)]
    missing: Ints,
    /// For each node its set of categories, or -1. Empty if there are none.
    #[serde(default)]
    categories: Ints,
    #[serde(default)]
    sets: Vec<CategorySet>,
    rule: Rule,
    /// The values of the leaves: `width` for each leaf, in the order of the leaves' nodes.
    values: Floats,
    width: usize,
    /// For each tree the output to which its first value is added. Empty for the first output.
    #[serde(default)]
    targets: Ints,
    /// The value of each output before any tree.
    base: Floats,
    /// The sums are divided by this number.
    divisor: f64,
    /// Whether the inputs, the thresholds and the sums are rounded to single precision.
    #[serde(default)]
    single: bool,
    /// Whether the inputs alone are rounded to single precision.
    #[serde(default)]
    single_inputs: bool,
    /// The size of the vectors of the fit, if it is known.
    #[serde(default)]
    size: Option<usize>,
    #[serde(skip)]
    trees: Trees,
}

/// Number of rows that pass through all trees together: their values stay in the cache.
const ROWS: usize = 128;

impl Forest {
    pub fn ready(mut self) -> Result<Self, String> {
        let nodes = self.features.len();
        let lengths = [self.thresholds.len(), self.left.len(), self.right.len()];
        let optional = [self.missing.len(), self.categories.len()];
        if lengths.iter().any(|n| *n != nodes) || optional.iter().any(|n| *n != nodes && *n != 0) {
            return Err("its lists of nodes have different lengths".to_owned());
        }
        if self.width == 0 || self.base.is_empty() || self.roots.is_empty() {
            return Err("it has no trees or no outputs".to_owned());
        }
        let leaves = self.features.iter().filter(|feature| **feature < 0).count();
        if self.values.len() != leaves * self.width {
            return Err(format!("it has {} values for {leaves} leaves of {}", self.values.len(), self.width));
        }
        let outside = |target: i32| target < 0 || target as usize + self.width > self.base.len();
        if !(self.targets.is_empty() || self.targets.len() == self.roots.len())
            || self.targets.iter().copied().any(outside)
            || (self.targets.is_empty() && outside(0))
        {
            return Err("a tree adds to an output that does not exist".to_owned());
        }
        self.trees = Trees::new(&Nodes {
            roots: &self.roots,
            features: &self.features,
            thresholds: &self.thresholds,
            left: &self.left,
            right: &self.right,
            missing: &self.missing,
            categories: &self.categories,
            sets: &self.sets,
            rule: self.rule,
            single: self.single,
        })?;
        // They are in `trees` now.
        (self.features, self.thresholds, self.left, self.right) = Default::default();
        (self.missing, self.categories) = Default::default();
        Ok(self)
    }

    pub fn outputs(&self) -> usize {
        self.base.len()
    }

    pub fn size(&self) -> Option<usize> {
        self.size
    }

    pub fn least_size(&self) -> usize {
        self.trees.least_size
    }

    pub fn row(&self, vector: VectorRow<'_>, out: &mut [f64]) {
        self.many(&[(0, vector)], out);
    }

    /// The leaf of each tree, numbered from left to right.
    pub fn leaves(&self, vector: VectorRow<'_>) -> Vec<f64> {
        let mut dense = Vec::new();
        fill_dense(vector, &mut dense);
        self.rounded(&mut dense);
        (0..self.roots.len())
            .map(|tree| {
                let node = self.trees.leaf_node(tree, &dense);
                f64::from(self.trees.place_in_tree(node))
            })
            .collect()
    }

    fn rounded(&self, values: &mut [f64]) {
        if self.single || self.single_inputs {
            values.iter_mut().for_each(|value| *value = f64::from(*value as f32));
        }
    }

    /// The outputs of rows, each at its place in `out`.
    pub fn many(&self, rows: &[(usize, VectorRow<'_>)], out: &mut [f64]) {
        let outputs = self.outputs();
        let mut copies: Vec<Vec<f64>> = vec![Vec::new(); ROWS.min(rows.len())];
        for block in rows.chunks(ROWS) {
            let copied = self.single || self.single_inputs;
            for ((_, vector), copy) in block.iter().zip(&mut copies) {
                if copied || matches!(vector, VectorRow::Sparse { .. }) {
                    fill_dense(*vector, copy);
                    self.rounded(copy);
                }
            }
            let dense: Vec<&[f64]> = block
                .iter()
                .zip(&copies)
                .map(|((_, vector), copy)| match vector {
                    VectorRow::Dense(values) if !copied => *values,
                    _ => copy.as_slice(),
                })
                .collect();
            let plain = self.trees.is_plain_for(&dense);
            let groups = if plain { self.trees.groups(&dense) } else { Vec::new() };
            let mut sums = vec![0.0; block.len() * outputs];
            sums.chunks_exact_mut(outputs).for_each(|row| row.copy_from_slice(&self.base));
            let mut leaves = vec![0_u32; block.len()];
            for tree in 0..self.roots.len() {
                if plain {
                    self.trees.walk(tree, &dense, &groups, &mut leaves);
                } else {
                    for (leaf, values) in leaves.iter_mut().zip(&dense) {
                        *leaf = self.trees.leaf_number(self.trees.leaf_node(tree, values));
                    }
                }
                self.add(tree, &leaves, &mut sums);
            }
            for ((place, _), sums) in block.iter().zip(sums.chunks_exact(outputs)) {
                let row = &mut out[place * outputs..(place + 1) * outputs];
                row.iter_mut().zip(sums).for_each(|(out, sum)| *out = sum / self.divisor);
            }
        }
    }

    /// Adds the values of one tree's leaves.
    fn add(&self, tree: usize, leaves: &[u32], sums: &mut [f64]) {
        let (outputs, width) = (self.outputs(), self.width);
        let target = self.targets.get(tree).map_or(0, |target| *target as usize);
        if self.single {
            for (row, leaf) in leaves.iter().enumerate() {
                let values = &self.values[*leaf as usize * width..][..width];
                let sums = &mut sums[row * outputs + target..][..width];
                for (sum, value) in sums.iter_mut().zip(values) {
                    *sum = f64::from(*sum as f32 + *value as f32);
                }
            }
            return;
        }
        if width == 1 {
            for (row, leaf) in leaves.iter().enumerate() {
                sums[row * outputs + target] += self.values[*leaf as usize];
            }
            return;
        }
        for (row, leaf) in leaves.iter().enumerate() {
            let values = &self.values[*leaf as usize * width..][..width];
            let sums = &mut sums[row * outputs + target..][..width];
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forest(json: serde_json::Value) -> Result<Forest, String> {
        serde_json::from_value::<Forest>(json).map_err(|e| e.to_string())?.ready()
    }

    fn stump(extra: serde_json::Value) -> serde_json::Value {
        let mut json = serde_json::json!({
            "roots": [0], "features": [1, -1, -1], "thresholds": [0.5, 0.0, 0.0], "left": [1, -1, -1],
            "right": [2, -1, -1], "rule": "at_most", "values": [10.0, 20.0], "width": 1, "base": [1.0], "divisor": 1.0,
        });
        if let (Some(json), serde_json::Value::Object(extra)) = (json.as_object_mut(), extra) {
            json.extend(extra);
        }
        json
    }

    fn scores(forest: &Forest, rows: &[[f64; 2]]) -> Vec<f64> {
        let vectors: Vec<_> = rows.iter().enumerate().map(|(i, row)| (i, VectorRow::Dense(row))).collect();
        let mut out = vec![0.0; rows.len()];
        forest.many(&vectors, &mut out);
        out
    }

    #[test]
    fn numbers_and_missing_values_go_where_the_node_says() -> Result<(), String> {
        let rows = [[0.0, 0.5], [0.0, 0.6], [0.0, f64::NAN]];
        let plain = forest(stump(serde_json::json!({})))?;
        assert_eq!(scores(&plain, &rows), [11.0, 21.0, 21.0]);
        assert_eq!(plain.leaves(VectorRow::Dense(&rows[1])), [1.0]);
        let below = forest(stump(serde_json::json!({"rule": "below"})))?;
        assert_eq!(scores(&below, &rows), [21.0, 21.0, 21.0]);
        let left = forest(stump(serde_json::json!({"missing": [1, 0, 0]})))?;
        assert_eq!(scores(&left, &rows), [11.0, 21.0, 11.0]);
        let mut sparse = [0.0];
        plain.row(VectorRow::Sparse { size: 2, indices: &[0], values: &[3.0] }, &mut sparse);
        assert_eq!(sparse, [11.0]);
        Ok(())
    }

    #[test]
    fn categories_go_where_their_set_says() -> Result<(), String> {
        let sets = serde_json::json!({
            "categories": [0, -1, -1], "sets": [{"values": [1, 70], "left": true, "truncate": false}]
        });
        let forest = forest(stump(sets))?;
        let rows = [[0.0, 1.0], [0.0, 70.0], [0.0, 2.0], [0.0, 1.5], [0.0, -1.0], [0.0, f64::NAN]];
        assert_eq!(scores(&forest, &rows), [11.0, 11.0, 21.0, 21.0, 21.0, 21.0]);
        Ok(())
    }

    #[test]
    fn damaged_trees_are_refused() {
        for damage in [
            serde_json::json!({"left": [0, -1, -1]}),
            serde_json::json!({"left": [7, -1, -1]}),
            serde_json::json!({"right": [1, -1, -1]}),
            serde_json::json!({"roots": [5]}),
            serde_json::json!({"roots": []}),
            serde_json::json!({"values": [1.0]}),
            serde_json::json!({"targets": [3]}),
            serde_json::json!({"thresholds": [1.0]}),
            serde_json::json!({"categories": [4, -1, -1]}),
        ] {
            assert!(forest(stump(damage.clone())).is_err(), "{damage}");
        }
    }
}
