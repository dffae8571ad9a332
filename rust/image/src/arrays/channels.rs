//! The common number of channels of all images of a column.

use mmlrs_core::{Error, Result};

use crate::ops::Op;
use crate::options::Alpha;

/// The number of channels that all images of one column have: the number that the operations fix, else 4 if alpha is kept and 3
/// if not. The returned operation converts every image to it; gray images only if `expand_gray` is true. The number does not
/// depend on the images.
pub fn one_number_of_channels(ops: &[Op], alpha: Alpha, expand_gray: bool) -> (usize, Op) {
    if let Some(fixed) = ops.iter().rev().find_map(Op::channels) {
        return (fixed, Op::Channels(fixed));
    }
    let channels = if alpha == Alpha::Keep { 4 } else { 3 };
    (channels, Op::Colour { channels, expand_gray })
}

/// The number of channels of unrolled images: the param `nChannels`, else that of [`one_number_of_channels`].
pub fn channel_op(requested: Option<i64>, alpha: Alpha, expand_gray: bool) -> Result<(usize, Op)> {
    match requested {
        None => Ok(one_number_of_channels(&[], alpha, expand_gray)),
        Some(channels @ (1 | 3 | 4)) => Ok((channels as usize, Op::Channels(channels as usize))),
        Some(other) => Err(Error::param("nChannels", format!("must be 1, 3 or 4, got {other}"))),
    }
}
