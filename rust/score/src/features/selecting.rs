//! Slots selected, combined and projected.

use std::sync::Arc;

use arrow_schema::Field;
use mmlrs_core::Result;
use mmlrs_core::vector::{VectorBuilder, VectorRow};
use serde::Deserialize;

use crate::arrays::vectors_field;
use crate::numbers::{Floats, Ints};
use crate::step::{Computed, Inputs, Step, check_size};
use crate::vectors::fill_dense;

/// Maximum number of slots of an expansion.
const MAX_EXPANDED: usize = 1 << 24;

/// Some slots of a vector, in a given order, as `VectorSlicer` and the fitted selectors compute them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slice {
    indices: Ints,
}

impl Slice {
    pub fn ready(self) -> Result<Self, String> {
        if self.indices.iter().any(|index| *index < 0) { Err("an index is negative".to_owned()) } else { Ok(self) }
    }
}

impl Step for Slice {
    fn arity(&self) -> Option<usize> {
        Some(1)
    }

    fn fields(&self, _inputs: &[&Field], outputs: &[String]) -> Result<Vec<Field>> {
        Ok(outputs.iter().take(1).map(|name| vectors_field(name, Some(self.indices.len()))).collect())
    }

    fn run(&self, rows: &Inputs<'_>) -> Result<Computed> {
        let largest = self.indices.iter().max().map_or(0, |index| *index as usize + 1);
        rows.map_vectors(|vector, out, kept| {
            if vector.size() < largest {
                let size = vector.size();
                return Err(format!("has a vector of size {size}; the stage selects slot {}", largest - 1));
            }
            kept.clear();
            match vector {
                VectorRow::Dense(values) => {
                    kept.extend(self.indices.iter().map(|index| values[*index as usize]));
                    out.push_dense(kept);
                }
                VectorRow::Sparse { indices, values, .. } => {
                    let mut places = Vec::new();
                    for (place, index) in self.indices.iter().enumerate() {
                        if let Ok(found) = indices.binary_search(index)
                            && values[found] != 0.0
                        {
                            places.push(place as i32);
                            kept.push(values[found]);
                        }
                    }
                    out.push_sparse(self.indices.len(), &places, kept);
                }
            }
            Ok(())
        })
    }
}

/// Vectors of a given size, as `VectorSizeHint` passes them on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VectorSize {
    size: usize,
    /// Whether other vectors, and null, pass too.
    optimistic: bool,
}

impl Step for VectorSize {
    fn arity(&self) -> Option<usize> {
        Some(1)
    }

    fn fields(&self, _inputs: &[&Field], outputs: &[String]) -> Result<Vec<Field>> {
        Ok(outputs.iter().take(1).map(|name| vectors_field(name, Some(self.size))).collect())
    }

    fn run(&self, rows: &Inputs<'_>) -> Result<Computed> {
        if self.optimistic {
            return passed(rows);
        }
        rows.map_vectors(|vector, out, _| {
            check_size(vector, self.size)?;
            push(vector, out);
            Ok(())
        })
    }
}

/// The vectors, whatever their sizes; null stays null.
fn passed(rows: &Inputs<'_>) -> Result<Computed> {
    if rows.arrays[0].data_type() == vectors_field("v", None).data_type() {
        return Ok(Computed { columns: rows.arrays.clone(), invalid: Vec::new() });
    }
    let vectors = rows.vectors(0)?;
    rows.by_pieces(|range, piece| {
        let mut out = VectorBuilder::with_capacity(range.len());
        for row in range {
            match (vectors.row(row), vectors.gap(row)) {
                (Some(_), Some(slot)) => {
                    piece.reject(row, (0, format!("has a null in slot {slot}")))?;
                    out.push_null();
                }
                (Some(vector), None) => push(vector, &mut out),
                (None, _) => out.push_null(),
            }
        }
        Ok(vec![Arc::new(out.finish()?)])
    })
}

fn push(vector: VectorRow<'_>, out: &mut VectorBuilder) {
    match vector {
        VectorRow::Dense(values) => out.push_dense(values),
        VectorRow::Sparse { size, indices, values } => out.push_sparse(size, indices, values),
    }
}

/// The products of up to `degree` slots, as `PolynomialExpansion` orders them: first by the last slot of a product.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Polynomial {
    degree: usize,
}

impl Polynomial {
    pub fn ready(self) -> Result<Self, String> {
        if self.degree == 0 { Err("its degree is 0".to_owned()) } else { Ok(self) }
    }
}

/// The number of products of up to `degree` of `n` variables, with the empty product: the binomial coefficient of `n + degree`
/// over `degree`. None if it is too large.
fn products(n: usize, degree: usize) -> Option<usize> {
    let few = n.min(degree);
    let mut count: usize = 1;
    for i in 1..=few {
        count = count.checked_mul(n + degree - few + i)? / i;
        if count > MAX_EXPANDED {
            return None;
        }
    }
    Some(count)
}

/// Appends the products of the first slots, times `factor`, with up to `degree` factors. In a sparse vector a product with a
/// slot that is zero is zero, even if another factor is infinite; so it is in any vector once a product is zero.
fn expand(values: &[f64], degree: usize, factor: f64, sparse: bool, out: &mut Vec<f64>) {
    let Some((last, rest)) = values.split_last().filter(|_| degree > 0) else {
        out.push(factor);
        return;
    };
    let mut power = factor;
    for used in 0..=degree {
        expand(rest, degree - used, power, sparse, out);
        power = if power == 0.0 || (sparse && *last == 0.0) { 0.0 } else { power * last };
    }
}

impl Step for Polynomial {
    fn arity(&self) -> Option<usize> {
        Some(1)
    }

    fn fields(&self, _inputs: &[&Field], outputs: &[String]) -> Result<Vec<Field>> {
        Ok(outputs.iter().take(1).map(|name| vectors_field(name, None)).collect())
    }

    fn run(&self, rows: &Inputs<'_>) -> Result<Computed> {
        rows.map_vectors(|vector, out, values| {
            let size = vector.size();
            if products(size, self.degree).is_none() {
                return Err(format!(
                    "has a vector of size {size}, whose expansion of degree {} has more than {MAX_EXPANDED} slots",
                    self.degree
                ));
            }
            fill_dense(vector, values);
            let mut expanded = Vec::new();
            expand(values, self.degree, 1.0, matches!(vector, VectorRow::Sparse { .. }), &mut expanded);
            // The first product is the empty one.
            let products = &mut expanded[1..];
            match vector {
                VectorRow::Dense(_) => out.push_dense(products),
                VectorRow::Sparse { .. } => {
                    let nonzero = products.iter().enumerate().filter(|(_, value)| **value != 0.0);
                    let (indices, kept): (Vec<i32>, Vec<f64>) = nonzero.map(|(i, v)| (i as i32, *v)).unzip();
                    out.push_sparse(products.len(), &indices, &kept);
                }
            }
            Ok(())
        })
    }
}

/// A product of a matrix and the vector, as `PCAModel` computes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Project {
    /// The rows of the matrix, one after the other: a row per slot of the result.
    matrix: Floats,
    /// Number of columns.
    size: usize,
}

impl Project {
    pub fn ready(self) -> Result<Self, String> {
        let fits = self.size > 0 && self.matrix.len().is_multiple_of(self.size);
        if fits { Ok(self) } else { Err("its matrix does not have the given size".to_owned()) }
    }
}

impl Step for Project {
    fn arity(&self) -> Option<usize> {
        Some(1)
    }

    fn fields(&self, _inputs: &[&Field], outputs: &[String]) -> Result<Vec<Field>> {
        let slots = self.matrix.len() / self.size;
        Ok(outputs.iter().take(1).map(|name| vectors_field(name, Some(slots))).collect())
    }

    fn run(&self, rows: &Inputs<'_>) -> Result<Computed> {
        rows.map_vectors(|vector, out, values| {
            check_size(vector, self.size)?;
            values.clear();
            values.extend(self.matrix.chunks_exact(self.size).map(|row| crate::vectors::dot(row, vector)));
            out.push_dense(values);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_in_the_order_of_spark() {
        let mut out = Vec::new();
        expand(&[2.0, 3.0], 2, 1.0, false, &mut out);
        // 1, x, x², y, xy, y²
        assert_eq!(out, [1.0, 2.0, 4.0, 3.0, 6.0, 9.0]);
        assert_eq!(products(2, 2), Some(6));
        assert_eq!(products(50, 3), Some(23_426));
        assert_eq!(products(100_000, 3), None);
    }
}
