//! The conversion of one image to a tensor: resized, converted and normalized row by row.
//!
//! The function is compiled for several instruction sets, one of which is chosen at run time.

use multiversion::multiversion;

use super::paint::{Paint, Source};
use crate::resample::{Plane, sum_columns, sum_rows};

/// The conversion of one image to a tensor.
#[derive(Debug)]
pub struct Sweep<'a> {
    pub planes: Vec<Plane<'a>>,
    pub source: Source,
    /// Rows and columns to write, in the stored orientation of the image.
    pub height: usize,
    pub width: usize,
    pub paint: Paint,
}

/// The two rows in flight.
#[derive(Debug, Default)]
pub struct Buffers {
    sums: Vec<f32>,
    rows: Vec<f32>,
}

/// Resizes, converts and normalizes row by row, into planes.
#[multiversion(targets("x86_64+avx+avx2+bmi1+bmi2+fma", "aarch64+neon"))]
pub fn sweep(job: &Sweep<'_>, buffers: &mut Buffers, out: &mut [f32]) {
    let widest = job.planes.iter().map(|p| p.width * p.channels).max().unwrap_or(0);
    let outputs: usize = job.planes.iter().map(|p| p.channels).sum();
    buffers.sums.resize(widest, 0.0);
    buffers.rows.resize(outputs * job.width, 0.0);
    for y in 0..job.height {
        let mut rest = buffers.rows.as_mut_slice();
        for plane in &job.planes {
            let sums = &mut buffers.sums[..plane.width * plane.channels];
            sum_rows(plane, y, sums);
            let (rows, tail) = rest.split_at_mut(plane.channels * job.width);
            sum_columns(plane, sums, rows);
            rest = tail;
        }
        job.paint.row(job.source, &buffers.rows, job.width, y, job.height * job.width, out);
    }
}
