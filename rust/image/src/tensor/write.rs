//! Runs a sweep and writes its planes into a tensor.

use std::cell::RefCell;

use image::metadata::Orientation;

use super::paint::arrange;
use super::prep::Layout;
use super::sweep::{Buffers, Sweep, sweep};

/// Buffers that each thread reuses for every image.
#[derive(Default)]
pub struct Scratch {
    /// Planes of Y, Cb and Cr.
    pub yuv: Vec<u8>,
    /// Planes of floats.
    pub planar: Vec<f32>,
    /// The buffers of the sweep.
    pub sweep: Buffers,
}

thread_local! {
    /// The buffers of this thread.
    pub static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Runs a sweep and writes its planes in the requested layout and orientation.
pub fn write_sweep(
    job: &Sweep<'_>,
    orientation: Orientation,
    layout: Layout,
    planar: &mut Vec<f32>,
    buffers: &mut Buffers,
    out: &mut [f32],
) {
    if layout == Layout::Nchw && orientation == Orientation::NoTransforms {
        sweep(job, buffers, out);
        return;
    }
    planar.clear();
    planar.resize(out.len(), 0.0);
    sweep(job, buffers, planar);
    arrange(planar, (job.height, job.width), orientation, layout, out);
}
