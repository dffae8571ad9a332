//! Products of matrices, by the crate `gemm`.

#![expect(unsafe_code, reason = "the product takes pointers; the bounds are checked here")]

use std::time::Instant;

use gemm::Parallelism;

/// A matrix in a slice: element (i, j) is at `i * row + j * column`.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row: usize,
    column: usize,
}

/// A matrix to write to, whose rows are side by side.
#[derive(Debug)]
pub struct MatrixMut<'a> {
    data: &'a mut [f32],
    rows: usize,
    columns: usize,
    row: usize,
}

/// The number of elements from the first to the last one of a matrix.
fn span(rows: usize, columns: usize, row: usize, column: usize) -> usize {
    if rows == 0 || columns == 0 { 0 } else { (rows - 1) * row + (columns - 1) * column + 1 }
}

impl<'a> Matrix<'a> {
    /// A matrix whose rows follow each other.
    pub fn new(data: &'a [f32], rows: usize, columns: usize) -> Self {
        Self::strided(data, rows, columns, columns)
    }

    /// A matrix whose rows start every `row` elements. Rows may overlap.
    pub fn strided(data: &'a [f32], rows: usize, columns: usize, row: usize) -> Self {
        assert!(span(rows, columns, row, 1) <= data.len(), "a matrix of {rows} x {columns} exceeds its slice");
        Self { data, rows, columns, row, column: 1 }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The transpose.
    #[must_use]
    pub fn transposed(self) -> Self {
        Self { rows: self.columns, columns: self.rows, row: self.column, column: self.row, ..self }
    }
}

impl<'a> MatrixMut<'a> {
    /// A matrix whose rows follow each other.
    pub fn new(data: &'a mut [f32], rows: usize, columns: usize) -> Self {
        Self::strided(data, rows, columns, columns)
    }

    /// A matrix whose rows start every `row` elements, at least the number of columns.
    pub fn strided(data: &'a mut [f32], rows: usize, columns: usize, row: usize) -> Self {
        assert!(
            row >= columns && span(rows, columns, row, 1) <= data.len(),
            "a matrix of {rows} x {columns} exceeds its slice"
        );
        Self { data, rows, columns, row }
    }
}

/// Computes `c = a b`, or `c += a b` if `accumulate`, on one thread. The crate allocates memory for
/// what it packs.
pub fn multiply(a: Matrix<'_>, b: Matrix<'_>, c: &mut MatrixMut<'_>, accumulate: bool) {
    assert!(a.columns == b.rows && a.rows == c.rows && b.columns == c.columns, "the shapes of a product differ");
    if c.rows == 0 || c.columns == 0 {
        return;
    }
    // SAFETY: the constructors check that every element of the three matrices is in its slice, `c` is borrowed alone and has no
    // overlapping rows, and the shapes fit each other.
    unsafe {
        gemm::gemm(
            c.rows,
            c.columns,
            a.columns,
            c.data.as_mut_ptr(),
            1,
            c.row as isize,
            accumulate,
            a.data.as_ptr(),
            a.column as isize,
            a.row as isize,
            b.data.as_ptr(),
            b.column as isize,
            b.row as isize,
            1.0_f32,
            1.0_f32,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

/// Rows from which packing a matrix costs little beside the product.
const FEW_ROWS: usize = 256;
/// Columns up to which packing a matrix costs less than turning the result.
const FEW_COLUMNS: usize = 64;
/// Rows and columns of a piece that is turned at once.
const TILE: usize = 8;

/// Number of values of the scratch of [`multiply_by_transpose`] for so many columns of the result.
pub fn transpose_scratch(columns: usize) -> usize {
    columns.saturating_mul(FEW_ROWS)
}

/// Computes `c = a b'` on one thread, where the rows of all three follow each other.
///
/// The crate packs `b'`, which takes longer than the product if `a` has few rows. It does not pack `b` in `b a'`, the transpose of
/// the result: for 128 rows that is up to 1.5 times faster, for 32 rows 2 times.
pub fn multiply_by_transpose(a: Matrix<'_>, b: Matrix<'_>, c: &mut [f32], scratch: &mut [f32]) {
    let (rows, columns) = (a.rows, b.rows);
    if rows >= FEW_ROWS || a.columns <= FEW_COLUMNS {
        return multiply(a, b.transposed(), &mut MatrixMut::new(c, rows, columns), false);
    }
    let scratch = &mut scratch[..columns * rows];
    multiply(b, a.transposed(), &mut MatrixMut::new(scratch, columns, rows), false);
    turn(scratch, c, rows);
}

/// Writes the transpose of a matrix with rows of this length.
fn turn(from: &[f32], to: &mut [f32], length: usize) {
    let rows = from.len() / length.max(1);
    for top in (0..rows).step_by(TILE) {
        let bottom = (top + TILE).min(rows);
        for left in (0..length).step_by(TILE) {
            for column in left..(left + TILE).min(length) {
                for (row, value) in (top..bottom).zip(&mut to[column * rows + top..column * rows + bottom]) {
                    *value = from[row * length + column];
                }
            }
        }
    }
}

/// Measures the products of dense layers of these inputs and outputs, forward and backward, for so many rows. Returns the median
/// seconds of some repetitions, after one that is not measured.
pub fn time_dense(sizes: &[(usize, usize)], rows: usize, repeats: usize) -> f64 {
    let widest = sizes.iter().flat_map(|(inputs, outputs)| [*inputs, *outputs]).max().unwrap_or(1);
    let (mut x, mut y, mut scratch) =
        (vec![1.0; rows * widest], vec![0.5; rows * widest], vec![0.0; transpose_scratch(widest)]);
    let weights: Vec<Vec<f32>> = sizes.iter().map(|(inputs, outputs)| vec![1e-3; inputs * outputs]).collect();
    let mut slopes: Vec<Vec<f32>> = weights.iter().map(|weights| vec![0.0; weights.len()]).collect();
    let mut seconds = Vec::new();
    for _ in 0..=repeats {
        let started = Instant::now();
        for (weights, (inputs, outputs)) in weights.iter().zip(sizes) {
            let (x, w) = (Matrix::new(&x, rows, *inputs), Matrix::new(weights, *inputs, *outputs));
            multiply(x, w, &mut MatrixMut::new(&mut y, rows, *outputs), false);
        }
        for (at, (inputs, outputs)) in sizes.iter().enumerate().rev() {
            let dy = Matrix::new(&y, rows, *outputs);
            let inner = Matrix::new(&x, rows, *inputs).transposed();
            multiply(inner, dy, &mut MatrixMut::new(&mut slopes[at], *inputs, *outputs), false);
            // Nothing needs the derivative by the input of the first layer.
            if at > 0 {
                let w = Matrix::new(&weights[at], *inputs, *outputs);
                multiply_by_transpose(dy, w, &mut x[..rows * inputs], &mut scratch);
            }
        }
        x.fill(1.0);
        seconds.push(started.elapsed().as_secs_f64());
    }
    seconds.remove(0);
    seconds.sort_unstable_by(f64::total_cmp);
    seconds.get(seconds.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Random;

    fn numbers(count: usize, seed: u64) -> Vec<f32> {
        let mut random = Random::new(seed);
        (0..count).map(|_| random.symmetric(1.0)).collect()
    }

    #[test]
    fn products_are_right_for_every_arrangement() {
        for (m, k, n) in [(1, 1, 1), (3, 5, 2), (17, 33, 9), (64, 100, 48), (2, 0, 3)] {
            let (a, b) = (numbers(m * k, 1), numbers(k * n, 2));
            let exact: Vec<f64> = (0..m * n)
                .map(|at| (0..k).map(|l| f64::from(a[at / n * k + l]) * f64::from(b[l * n + at % n])).sum())
                .collect();
            let close =
                |c: &[f32], more: f64| c.iter().zip(&exact).all(|(c, e)| (f64::from(*c) - e - more).abs() < 1e-4);
            let mut c = vec![7.0; m * n];
            multiply(Matrix::new(&a, m, k), Matrix::new(&b, k, n), &mut MatrixMut::new(&mut c, m, n), false);
            assert!(close(&c, 0.0), "{m} x {k} x {n}");
            let mut c = vec![7.0; m * n];
            multiply(Matrix::new(&a, m, k), Matrix::new(&b, k, n), &mut MatrixMut::new(&mut c, m, n), true);
            assert!(close(&c, 7.0));
            // The transposes of both, stored.
            let turned = |x: &[f32], rows: usize, columns: usize| -> Vec<f32> {
                (0..rows * columns).map(|at| x[at % rows * columns + at / rows]).collect()
            };
            let (at, bt) = (turned(&a, m, k), turned(&b, k, n));
            let (left, right) = (Matrix::new(&at, k, m).transposed(), Matrix::new(&bt, n, k).transposed());
            let mut c = vec![0.0; m * n];
            multiply(left, right, &mut MatrixMut::new(&mut c, m, n), false);
            assert!(close(&c, 0.0));
        }
    }

    #[test]
    fn products_by_a_transpose_are_those_of_the_transpose() {
        for (m, k, n) in [(1, 65, 3), (17, 100, 33), (300, 70, 9), (40, 10, 20), (24, 80, 64)] {
            let (a, b) = (numbers(m * k, 1), numbers(n * k, 2));
            let (a, b) = (Matrix::new(&a, m, k), Matrix::new(&b, n, k));
            let (mut c, mut expected, mut scratch) =
                (vec![7.0; m * n], vec![7.0; m * n], vec![7.0; transpose_scratch(n)]);
            multiply_by_transpose(a, b, &mut c, &mut scratch);
            multiply(a, b.transposed(), &mut MatrixMut::new(&mut expected, m, n), false);
            assert!(c.iter().zip(&expected).all(|(c, e)| (c - e).abs() < 1e-4), "{m} x {k} x {n}");
        }
    }

    #[test]
    fn overlapping_rows_are_read() {
        // A convolution of 1, 2, 3, 4 with 1, 10.
        let mut out = [0.0; 3];
        multiply(
            Matrix::strided(&[1.0, 2.0, 3.0, 4.0], 3, 2, 1),
            Matrix::new(&[1.0, 10.0], 2, 1),
            &mut MatrixMut::new(&mut out, 3, 1),
            false,
        );
        assert_eq!(out.map(f32::to_bits), [21.0_f32, 32.0, 43.0].map(f32::to_bits));
    }

    #[test]
    #[should_panic(expected = "exceeds its slice")]
    fn a_matrix_must_fit_its_slice() {
        let _ = Matrix::new(&[1.0, 2.0, 3.0], 2, 2);
    }
}
