//! Combines the hidden states of a string's tokens into one vector.

use mmlrs_core::{Error, Result};

/// How the hidden states of the tokens are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenPooling {
    /// Their mean.
    Mean,
    /// The state of the first token.
    Cls,
    /// The largest value of each slot.
    Max,
}

impl TokenPooling {
    /// Parses the param, whose values are checked already.
    pub fn parse(text: &str) -> Self {
        match text {
            "cls" => Self::Cls,
            "max" => Self::Max,
            _ => Self::Mean,
        }
    }

    /// Writes the vector of a row. `states` holds one state per position; positions whose mask is 0 are ignored. A row without
    /// positions, `[size]` instead of `[tokens, size]`, is the vector itself.
    pub fn apply(self, states: &[f32], shape: &[usize], mask: &[u32], out: &mut [f32]) -> Result<()> {
        let size = out.len();
        match shape {
            [n] if *n == size => {
                out.copy_from_slice(states);
                return Ok(());
            }
            [tokens, n] if *n == size && *tokens >= mask.len() => {}
            _ => {
                let message = format!("the output has row shape {shape:?}, expected a vector of size {size}");
                return Err(Error::runtime(message));
            }
        }
        let mut counted = states.chunks_exact(size.max(1)).zip(mask).filter(|(_, m)| **m != 0).map(|(state, _)| state);
        let Some(first) = counted.next() else { return Err(Error::decode("has no tokens")) };
        out.copy_from_slice(first);
        let mut count = 1.0_f32;
        match self {
            Self::Cls => {}
            Self::Max => counted.for_each(|state| out.iter_mut().zip(state).for_each(|(o, s)| *o = o.max(*s))),
            Self::Mean => {
                for state in counted {
                    out.iter_mut().zip(state).for_each(|(o, s)| *o += s);
                    count += 1.0;
                }
                for o in out {
                    *o /= count;
                }
            }
        }
        Ok(())
    }
}

/// Scales a vector to Euclidean length 1. A zero vector is unchanged.
pub fn normalize(vector: &mut [f32]) {
    let length = vector.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>().sqrt();
    if length > 1e-12 {
        for v in vector {
            *v = (f64::from(*v) / length) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [f32; 6] = [1.0, 4.0, 3.0, -2.0, 100.0, 100.0];

    fn pooled(pooling: TokenPooling) -> [f32; 2] {
        let mut out = [0.0; 2];
        pooling.apply(&STATES, &[3, 2], &[1, 1, 0], &mut out).expect("a vector");
        out
    }

    #[test]
    fn padding_takes_no_part_in_any_pooling() {
        assert_eq!(pooled(TokenPooling::Mean).map(f32::to_bits), [2.0_f32, 1.0].map(f32::to_bits));
        assert_eq!(pooled(TokenPooling::Cls).map(f32::to_bits), [1.0_f32, 4.0].map(f32::to_bits));
        assert_eq!(pooled(TokenPooling::Max).map(f32::to_bits), [3.0_f32, 4.0].map(f32::to_bits));
    }

    #[test]
    fn an_embedding_is_taken_as_it_is_and_another_size_is_refused() {
        let mut out = [0.0; 2];
        assert!(TokenPooling::Max.apply(&[5.0, 6.0], &[2], &[1], &mut out).is_ok());
        assert_eq!(out.map(f32::to_bits), [5.0_f32, 6.0].map(f32::to_bits));
        assert!(TokenPooling::Mean.apply(&STATES, &[2, 3], &[1, 1], &mut out).is_err());
    }

    #[test]
    fn a_vector_of_zeros_has_no_direction_and_stays() {
        let mut vector = [3.0_f32, 4.0];
        normalize(&mut vector);
        assert_eq!(vector.map(f32::to_bits), [0.6_f32, 0.8].map(f32::to_bits));
        let mut zero = [0.0_f32; 3];
        normalize(&mut zero);
        assert_eq!(zero.map(f32::to_bits), [0; 3]);
    }
}
