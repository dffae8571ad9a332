//! Operations on single vectors and on sorted numbers.

use std::cmp::Ordering;

use mmlrs_core::vector::{VectorBuilder, VectorRow};

/// The dot product of a dense and any vector of the same size.
pub fn dot(weights: &[f64], vector: VectorRow<'_>) -> f64 {
    match vector {
        VectorRow::Dense(values) => {
            let (mut sums, mut total) = ([0.0; 4], 0.0);
            let (left, left_rest) = weights.as_chunks::<4>();
            let (right, right_rest) = values.as_chunks::<4>();
            for (l, r) in left.iter().zip(right) {
                for i in 0..4 {
                    sums[i] += l[i] * r[i];
                }
            }
            for (l, r) in left_rest.iter().zip(right_rest) {
                total += l * r;
            }
            (sums[0] + sums[1]) + (sums[2] + sums[3]) + total
        }
        VectorRow::Sparse { indices, values, .. } => {
            indices.iter().zip(values).map(|(index, value)| weights[*index as usize] * value).sum()
        }
    }
}

/// Calls `give` with each slot of a vector that is stored, and its value.
pub fn each_stored(vector: VectorRow<'_>, mut give: impl FnMut(usize, f64)) {
    match vector {
        VectorRow::Dense(values) => values.iter().enumerate().for_each(|(slot, value)| give(slot, *value)),
        VectorRow::Sparse { indices, values, .. } => {
            indices.iter().zip(values).for_each(|(slot, value)| give(*slot as usize, *value));
        }
    }
}

/// Overwrites `values` with all slots of a vector.
pub fn fill_dense(vector: VectorRow<'_>, values: &mut Vec<f64>) {
    values.clear();
    match vector {
        VectorRow::Dense(dense) => values.extend_from_slice(dense),
        VectorRow::Sparse { size, indices, values: nonzero } => {
            values.resize(size, 0.0);
            for (index, value) in indices.iter().zip(nonzero) {
                values[*index as usize] = *value;
            }
        }
    }
}

/// Appends a vector in the form that Spark's `compressed` chooses.
pub fn push_compressed(values: &[f64], out: &mut VectorBuilder) {
    let nonzero = values.iter().filter(|value| **value != 0.0).count();
    if 1.5 * (nonzero as f64 + 1.0) >= values.len() as f64 {
        out.push_dense(values);
        return;
    }
    let (indices, kept): (Vec<i32>, Vec<f64>) =
        values.iter().enumerate().filter(|(_, value)| **value != 0.0).map(|(i, value)| (i as i32, *value)).unzip();
    out.push_sparse(values.len(), &indices, &kept);
}

/// The place of a number among ascending ones in Java's order: `Ok` if it is one of them.
pub fn java_search(sorted: &[f64], value: f64) -> Result<usize, usize> {
    sorted.binary_search_by(|item| match (item.is_nan(), value.is_nan()) {
        (true, true) => Ordering::Equal,
        (false, true) => Ordering::Less,
        (true, false) => Ordering::Greater,
        _ => item.total_cmp(&value),
    })
}
