//! Sets of categories.

use serde::Deserialize;

use crate::numbers::Ints;

/// Maximum number of a category in a set.
const MAX_CATEGORY: i32 = 1 << 24;

/// Categories that go to one side.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CategorySet {
    values: Ints,
    /// Whether the categories of the set go left and all others right, or the other way round.
    left: bool,
    /// Whether the fraction of a value is cut off. Otherwise a value with a fraction is no category.
    truncate: bool,
    /// A bit for each category.
    #[serde(skip)]
    bits: Vec<u64>,
}

impl CategorySet {
    /// A form that is looked up quickly.
    pub fn ready(&self) -> Result<Self, String> {
        let largest = self.values.iter().copied().max().unwrap_or(0);
        if self.values.iter().any(|value| *value < 0) || largest > MAX_CATEGORY {
            return Err(format!("a category is not a number from 0 to {MAX_CATEGORY}"));
        }
        let mut bits = vec![0_u64; largest as usize / 64 + 1];
        self.values.iter().for_each(|value| bits[*value as usize / 64] |= 1 << (value % 64));
        Ok(Self { values: Ints::default(), bits, ..*self })
    }

    /// Whether a value goes left.
    pub fn goes_left(&self, value: f64) -> bool {
        let whole = value.trunc();
        let known = (self.truncate || whole == value) && whole >= 0.0 && whole < 64.0 * self.bits.len() as f64;
        let found = known && self.bits[whole as usize / 64] >> (whole as u64 % 64) & 1 == 1;
        found == self.left
    }
}
