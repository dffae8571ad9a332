//! Changes of images while a network is trained.

use serde::Deserialize;

use crate::random::Random;
use crate::shape::Shape;

/// A change of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Augment {
    /// Half of the images are mirrored.
    Mirror,
    /// Images move by up to an eighth of their size, with black borders.
    Shift,
}

/// Changes a batch of images in place.
pub fn augment(x: &mut [f32], shape: Shape, changes: &[Augment], random: &mut Random, spare: &mut Vec<f32>) {
    let Shape::Image { height, width, channels } = shape else { return };
    for image in x.chunks_exact_mut(shape.len()) {
        for change in changes {
            match change {
                Augment::Mirror if random.below(2) == 1 => {
                    for row in image.chunks_exact_mut(width * channels) {
                        mirror(row, channels);
                    }
                }
                Augment::Mirror => {}
                Augment::Shift => {
                    let offset = |size: usize, random: &mut Random| {
                        let most = size / 8;
                        random.below(2 * most + 1) as isize - most as isize
                    };
                    let by = (offset(height, random), offset(width, random));
                    spare.clear();
                    spare.extend_from_slice(image);
                    shift(spare, image, (height, width, channels), by);
                }
            }
        }
    }
}

fn mirror(row: &mut [f32], channels: usize) {
    let pixels = row.len() / channels;
    for left in 0..pixels / 2 {
        for channel in 0..channels {
            row.swap(left * channels + channel, (pixels - 1 - left) * channels + channel);
        }
    }
}

/// Writes an image moved down and to the right by `by` pixels.
fn shift(from: &[f32], to: &mut [f32], (height, width, channels): (usize, usize, usize), by: (isize, isize)) {
    to.fill(0.0);
    let line = width * channels;
    let moved = by.1.unsigned_abs().min(width) * channels;
    for row in 0..height {
        let Some(source) = row.checked_add_signed(-by.0).filter(|source| *source < height) else { continue };
        let (from, to) = (&from[source * line..(source + 1) * line], &mut to[row * line..(row + 1) * line]);
        if by.1 >= 0 {
            to[moved..].copy_from_slice(&from[..line - moved]);
        } else {
            to[..line - moved].copy_from_slice(&from[moved..]);
        }
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "values are moved, not computed")]
mod tests {
    use super::*;

    #[test]
    fn images_move_and_are_mirrored() {
        let image = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let mut row = [1.0, 10.0, 2.0, 20.0, 3.0, 30.0];
        mirror(&mut row, 2);
        assert_eq!(row, [3.0, 30.0, 2.0, 20.0, 1.0, 10.0]);
        let moved = |by| {
            let mut to = [9.0; 6];
            shift(&image, &mut to, (2, 3, 1), by);
            to
        };
        assert_eq!(moved((0, 1)), [0.0, 1.0, 2.0, 0.0, 4.0, 5.0]);
        assert_eq!(moved((1, -1)), [0.0, 0.0, 0.0, 2.0, 3.0, 0.0]);
        assert_eq!(moved((-1, 0)), [4.0, 5.0, 6.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn changes_differ_from_image_to_image_and_repeat() {
        let shape = Shape::Image { height: 16, width: 16, channels: 1 };
        let made = |seed| {
            let mut x: Vec<f32> = (0..4).flat_map(|_| (0..256).map(|at| at as f32)).collect();
            augment(&mut x, shape, &[Augment::Mirror, Augment::Shift], &mut Random::new(seed), &mut Vec::new());
            x
        };
        assert_eq!(made(1), made(1));
        assert_ne!(made(1), made(2));
        assert_ne!(made(1)[..256], made(1)[256..512]);
    }
}
