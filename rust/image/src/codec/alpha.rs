//! Alpha channels and CMYK: converts decoded pixels to gray, BGR or BGRA bytes.

use crate::options::Alpha;

/// `x * a / 255 + (255 - a)`, rounded: a colour value blended over white.
fn over_white(value: u8, alpha: u8) -> u8 {
    let (value, alpha) = (u32::from(value), u32::from(alpha));
    ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}

/// Converts pairs of gray and alpha. Returns the number of channels and the bytes.
pub fn from_gray_alpha(pixels: &[u8], alpha: Alpha) -> (usize, Vec<u8>) {
    let (pairs, _) = pixels.as_chunks::<2>();
    match alpha {
        Alpha::Drop => (1, pairs.iter().map(|[v, _]| *v).collect()),
        Alpha::Composite => (1, pairs.iter().map(|[v, a]| over_white(*v, *a)).collect()),
        Alpha::Keep => (4, pairs.iter().flat_map(|[v, a]| [*v, *v, *v, *a]).collect()),
    }
}

/// Converts RGBA pixels. Returns the number of channels and the bytes.
pub fn from_rgba(pixels: &[u8], alpha: Alpha) -> (usize, Vec<u8>) {
    let (pixels, _) = pixels.as_chunks::<4>();
    match alpha {
        Alpha::Drop => (3, pixels.iter().flat_map(|[r, g, b, _]| [*b, *g, *r]).collect()),
        Alpha::Composite => (
            3,
            pixels
                .iter()
                .flat_map(|[r, g, b, a]| [over_white(*b, *a), over_white(*g, *a), over_white(*r, *a)])
                .collect(),
        ),
        Alpha::Keep => (4, pixels.iter().flat_map(|[r, g, b, a]| [*b, *g, *r, *a]).collect()),
    }
}

/// Converts RGB pixels to BGR, in place.
pub fn swap_red_and_blue(pixels: &mut [u8]) {
    let (pixels, _) = pixels.as_chunks_mut::<3>();
    for [r, _, b] in pixels {
        std::mem::swap(r, b);
    }
}

/// Converts CMYK pixels to BGR. Adobe's files hold inverted values: 255 means no ink.
pub fn bgr_from_cmyk(pixels: &[u8], inverted: bool) -> Vec<u8> {
    let (pixels, _) = pixels.as_chunks::<4>();
    let light = |ink: u8| u32::from(if inverted { ink } else { 255 - ink });
    pixels
        .iter()
        .flat_map(|[c, m, y, k]| {
            let k = light(*k);
            [*y, *m, *c].map(|ink| ((light(ink) * k + 127) / 255) as u8)
        })
        .collect()
}
