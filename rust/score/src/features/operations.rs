//! Slots changed one by one.

use serde::Deserialize;

use crate::numbers::Floats;

/// A change of each slot, with a number per slot.
#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum Operation {
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
    /// The limit for what is below it.
    AtLeast {
        values: Floats,
    },
    /// The limit for what is above it.
    AtMost {
        values: Floats,
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
            | Self::AtLeast { values }
            | Self::AtMost { values }
            | Self::Erase { values } => values.len(),
            Self::Single { size } => *size,
            Self::Bin { borders } => borders.len(),
        }
    }

    fn is_usable(&self) -> bool {
        match self {
            Self::Bin { borders } => borders.iter().all(|borders| borders.is_sorted()),
            _ => true,
        }
    }

    #[allow(clippy::float_cmp, reason = "the number itself is erased")]
    pub fn apply(&self, slots: &mut [f64]) {
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
            // NaN stays NaN.
            Self::AtLeast { values } => each(slots, values, |x, y| if x < y { y } else { x }),
            Self::AtMost { values } => each(slots, values, |x, y| if x > y { y } else { x }),
            Self::Single { .. } => slots.iter_mut().for_each(|slot| *slot = f64::from(*slot as f32)),
            Self::Bin { borders } => {
                for (slot, borders) in slots.iter_mut().zip(borders) {
                    *slot = borders.partition_point(|border| *border <= *slot) as f64;
                }
            }
        }
    }
}

/// Returns an error if an operation does not fit vectors of this size.
pub fn check_operations(operations: &[Operation], size: usize) -> Result<(), String> {
    let fit = operations.iter().all(|operation| operation.size() == size && operation.is_usable());
    if fit { Ok(()) } else { Err("an operation does not fit its vectors".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(json: serde_json::Value) -> Result<Operation, serde_json::Error> {
        serde_json::from_value(json)
    }

    #[test]
    #[allow(clippy::float_cmp, reason = "the numbers are exact")]
    fn operations_change_each_slot() -> Result<(), serde_json::Error> {
        let mut slots = [1.0, -2.0, f64::NAN];
        operation(serde_json::json!({"op": "at_least", "values": [0.0, 0.0, 0.0]}))?.apply(&mut slots);
        operation(serde_json::json!({"op": "at_most", "values": [0.5, 1.0, 1.0]}))?.apply(&mut slots);
        assert!(slots[..2] == [0.5, 0.0] && slots[2].is_nan());
        operation(serde_json::json!({"op": "bin", "borders": [[0.5, 0.6], [0.5], []]}))?.apply(&mut slots);
        assert_eq!(slots, [1.0, 0.0, 0.0]);
        operation(serde_json::json!({"op": "erase", "values": [1.0, 5.0, 5.0]}))?.apply(&mut slots);
        assert!(slots[0].is_nan() && slots[1..] == [0.0, 0.0]);
        Ok(())
    }

    #[test]
    fn operations_that_do_not_fit_are_refused() -> Result<(), serde_json::Error> {
        let add = operation(serde_json::json!({"op": "add", "values": [1.0]}))?;
        assert!(check_operations(&[add], 2).is_err());
        let bin = operation(serde_json::json!({"op": "bin", "borders": [[1.0, 0.0]]}))?;
        assert!(check_operations(&[bin], 1).is_err());
        Ok(())
    }
}
