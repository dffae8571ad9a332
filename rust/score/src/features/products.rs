//! Products of slots.

use arrow_schema::Field;
use mmlrs_core::Result;
use serde::Deserialize;

use crate::arrays::vectors_field;
use crate::numbers::Ints;
use crate::step::{Computed, Inputs, Step, check_size};
use crate::vectors::fill_dense;

/// Products of slots. The empty product is 1.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Products {
    /// The number of factors of each product.
    counts: Ints,
    /// The slots of the factors, one product after the other.
    slots: Ints,
    size: usize,
}

impl Products {
    pub fn ready(self) -> Result<Self, String> {
        let factors: i64 = self.counts.iter().map(|count| i64::from(*count)).sum();
        let outside = |slot: &i32| *slot < 0 || *slot as usize >= self.size;
        if factors != self.slots.len() as i64 || self.counts.iter().any(|n| *n < 0) || self.slots.iter().any(outside) {
            return Err("its products do not fit its vectors".to_owned());
        }
        Ok(self)
    }
}

impl Step for Products {
    fn arity(&self) -> Option<usize> {
        Some(1)
    }

    fn fields(&self, _inputs: &[&Field], outputs: &[String]) -> Result<Vec<Field>> {
        Ok(outputs.iter().take(1).map(|name| vectors_field(name, Some(self.counts.len()))).collect())
    }

    fn run(&self, rows: &Inputs<'_>) -> Result<Computed> {
        rows.map_vectors(|vector, out, values| {
            check_size(vector, self.size)?;
            fill_dense(vector, values);
            let (mut rest, mut products) = (&*self.slots, Vec::with_capacity(self.counts.len()));
            for count in &*self.counts {
                let (factors, after) = rest.split_at(*count as usize);
                rest = after;
                // From the last factor to the first, as scikit-learn multiplies.
                let product = factors.iter().rev().map(|slot| values[*slot as usize]).reduce(|product, x| product * x);
                products.push(product.unwrap_or(1.0));
            }
            out.push_dense(&products);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_products_are_refused() -> std::result::Result<(), serde_json::Error> {
        for damaged in [
            serde_json::json!({"counts": [1], "slots": [4], "size": 2}),
            serde_json::json!({"counts": [2], "slots": [0], "size": 2}),
            serde_json::json!({"counts": [-1, 2], "slots": [0], "size": 2}),
        ] {
            assert!(serde_json::from_value::<Products>(damaged)?.ready().is_err());
        }
        Ok(())
    }
}
