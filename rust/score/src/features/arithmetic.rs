//! Slots changed one by one.

use arrow_schema::Field;
use mmlrs_core::Result;
use serde::Deserialize;

use crate::arrays::vectors_field;
use crate::features::fill_dense;
use crate::numbers::{Floats, Ints};
use crate::step::{Computed, Inputs, Step, check_size};

/// A change of each slot, with a number per slot.
#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
enum Operation {
    Add {
        values: Floats,
    },
    Subtract {
        values: Floats,
    },
    Multiply {
        values: Floats,
    },
    Divide {
        values: Floats,
    },
    /// What is outside the limits becomes a limit.
    Clip {
        low: Floats,
        high: Floats,
    },
    /// 1 for what is above the threshold, else 0.
    Above {
        values: Floats,
    },
    /// NaN for what equals the value.
    Erase {
        values: Floats,
    },
    /// The nearest number of single precision.
    Single {
        size: usize,
    },
    /// The number of borders that are at most the value.
    Bin {
        borders: Vec<Floats>,
    },
}

impl Operation {
    fn size(&self) -> usize {
        match self {
            Self::Add { values }
            | Self::Subtract { values }
            | Self::Multiply { values }
            | Self::Divide { values }
            | Self::Above { values }
            | Self::Erase { values } => values.len(),
            Self::Clip { low, .. } => low.len(),
            Self::Single { size } => *size,
            Self::Bin { borders } => borders.len(),
        }
    }

    fn is_usable(&self) -> bool {
        match self {
            Self::Clip { low, high } => {
                low.len() == high.len() && low.iter().zip(&**high).all(|(low, high)| low <= high)
            }
            Self::Bin { borders } => borders.iter().all(|borders| borders.is_sorted()),
            _ => true,
        }
    }

    fn apply(&self, slots: &mut [f64]) {
        let each = |slots: &mut [f64], numbers: &Floats, change: fn(f64, f64) -> f64| {
            slots.iter_mut().zip(&**numbers).for_each(|(slot, number)| *slot = change(*slot, *number));
        };
        match self {
            Self::Add { values } => each(slots, values, |x, y| x + y),
            Self::Subtract { values } => each(slots, values, |x, y| x - y),
            Self::Multiply { values } => each(slots, values, |x, y| x * y),
            Self::Divide { values } => each(slots, values, |x, y| x / y),
            Self::Above { values } => each(slots, values, |x, y| f64::from(u8::from(x > y))),
            Self::Erase { values } => each(slots, values, |x, y| if x == y { f64::NAN } else { x }),
            Self::Clip { low, high } => {
                // NaN stays NaN.
                for (slot, (low, high)) in slots.iter_mut().zip(low.iter().zip(&**high)) {
                    *slot = slot.clamp(*low, *high);
                }
            }
            Self::Single { .. } => slots.iter_mut().for_each(|slot| *slot = f64::from(*slot as f32)),
            Self::Bin { borders } => {
                for (slot, borders) in slots.iter_mut().zip(borders) {
                    *slot = borders.partition_point(|border| *border <= *slot) as f64;
                }
            }
        }
    }
}

/// Operations on the slots of vectors, one after the other.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arithmetic {
    operations: Vec<Operation>,
    size: usize,
}

impl Arithmetic {
    pub fn ready(self) -> Result<Self, String> {
        let fits = self.operations.iter().all(|operation| operation.size() == self.size && operation.is_usable());
        if fits { Ok(self) } else { Err("an operation does not fit its vectors".to_owned()) }
    }
}

impl Step for Arithmetic {
    fn arity(&self) -> Option<usize> {
        Some(1)
    }

    fn fields(&self, _inputs: &[&Field], outputs: &[String]) -> Result<Vec<Field>> {
        Ok(outputs.iter().take(1).map(|name| vectors_field(name, Some(self.size))).collect())
    }

    fn run(&self, rows: &Inputs<'_>) -> Result<Computed> {
        rows.map_vectors(|vector, out, values| {
            check_size(vector, self.size)?;
            fill_dense(vector, values);
            self.operations.iter().for_each(|operation| operation.apply(values));
            out.push_dense(values);
            Ok(())
        })
    }
}

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
    fn operations_change_each_slot() -> Result<(), serde_json::Error> {
        let apply = |json, slots: &mut [f64]| -> Result<(), serde_json::Error> {
            serde_json::from_value::<Operation>(json)?.apply(slots);
            Ok(())
        };
        let mut slots = [1.0, -2.0, f64::NAN];
        apply(serde_json::json!({"op": "clip", "low": [0.0, 0.0, 0.0], "high": [0.5, 1.0, 1.0]}), &mut slots)?;
        assert!(slots[..2] == [0.5, 0.0] && slots[2].is_nan());
        apply(serde_json::json!({"op": "bin", "borders": [[0.5, 0.6], [0.5], []]}), &mut slots)?;
        assert_eq!(slots, [1.0, 0.0, 0.0]);
        apply(serde_json::json!({"op": "erase", "values": [1.0, 5.0, 5.0]}), &mut slots)?;
        assert!(slots[0].is_nan() && slots[1..] == [0.0, 0.0]);
        Ok(())
    }

    #[test]
    fn damaged_operations_are_refused() -> Result<(), serde_json::Error> {
        for damaged in [
            serde_json::json!({"operations": [{"op": "add", "values": [1.0]}], "size": 2}),
            serde_json::json!({"operations": [{"op": "clip", "low": [1.0], "high": [0.0]}], "size": 1}),
            serde_json::json!({"operations": [{"op": "bin", "borders": [[1.0, 0.0]]}], "size": 1}),
        ] {
            assert!(serde_json::from_value::<Arithmetic>(damaged)?.ready().is_err());
        }
        let products = serde_json::json!({"counts": [1], "slots": [4], "size": 2});
        assert!(serde_json::from_value::<Products>(products)?.ready().is_err());
        Ok(())
    }
}
