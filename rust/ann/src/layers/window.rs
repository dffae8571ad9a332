//! Windows that slide over an image.

use mmlrs_core::Result;

use crate::chain::MAX_VALUES;
use crate::shape::{Shape, unfit};

/// A window, how far it moves, and the border around the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window {
    /// Height and width of the window.
    pub size: [usize; 2],
    /// Rows and columns from one place to the next.
    pub stride: [usize; 2],
    /// The border around the image.
    pub padding: Padding,
}

/// The border around an image. It is narrower than the window, so that every window has a pixel of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Padding {
    /// None.
    Valid,
    /// The narrowest border with which the window has one place for every `stride` pixels. An odd row or column is below or right,
    /// as in TensorFlow and in ONNX's `SAME_UPPER`.
    Same,
    /// Rows and columns at the top, left, bottom and right.
    Sides([usize; 4]),
}

impl Padding {
    /// The border before and after one side of the image.
    fn border(self, axis: usize, pixels: usize, size: usize, stride: usize) -> (usize, usize) {
        match self {
            Self::Valid => (0, 0),
            Self::Same => {
                let reach = (pixels.div_ceil(stride) - 1).saturating_mul(stride).saturating_add(size);
                let total = reach.saturating_sub(pixels);
                (total / 2, total - total / 2)
            }
            Self::Sides(sides) => (sides[axis], sides[axis + 2]),
        }
    }
}

impl Window {
    /// A square window that moves by `stride`, without a border.
    pub fn square(size: usize, stride: usize) -> Self {
        Self { size: [size; 2], stride: [stride; 2], padding: Padding::Valid }
    }

    /// The places of the window on an image. `name` says who asks.
    pub(super) fn grid(&self, input: Shape, name: &str) -> Result<Grid> {
        let Shape::Image { height, width, channels } = input else {
            return Err(unfit(format!("{name} reads images, got {input}")));
        };
        let along = |axis: usize, pixels: usize| {
            let (size, stride) = (self.size[axis], self.stride[axis]);
            if size == 0 || stride == 0 || pixels == 0 || self.size[0].saturating_mul(self.size[1]) > MAX_VALUES {
                return None;
            }
            let (before, after) = self.padding.border(axis, pixels, size, stride);
            let outer = pixels.checked_add(before)?.checked_add(after)?;
            (before < size && after < size && outer >= size).then(|| ((outer - size) / stride + 1, before))
        };
        let (Some((down, top)), Some((across, left))) = (along(0, height), along(1, width)) else {
            return Err(unfit(format!(
                "{name} with a window of {} x {} pixels, stride {} x {} and {} does not fit {input}",
                self.size[0], self.size[1], self.stride[0], self.stride[1], self.padding
            )));
        };
        let image = Size { height, width, channels };
        Ok(Grid { image, down, across, size: self.size, stride: self.stride, top, left })
    }
}

impl std::fmt::Display for Padding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Valid => f.write_str("padding \"valid\""),
            Self::Same => f.write_str("padding \"same\""),
            Self::Sides(sides) => write!(f, "padding {sides:?}"),
        }
    }
}

/// The places of a window on an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Grid {
    /// The image.
    pub image: Size,
    /// Number of places from top to bottom.
    pub down: usize,
    /// Number of places from left to right.
    pub across: usize,
    /// Height and width of the window.
    pub size: [usize; 2],
    /// Rows and columns from one place to the next.
    pub stride: [usize; 2],
    /// Rows of the border above the image.
    pub top: usize,
    /// Columns of the border left of the image.
    pub left: usize,
}

impl Grid {
    /// Number of places.
    pub fn places(&self) -> usize {
        self.down.saturating_mul(self.across)
    }

    /// Number of pixels of the window.
    pub fn area(&self) -> usize {
        self.size[0].saturating_mul(self.size[1])
    }

    /// The image of the places, with a number of channels.
    pub fn output(&self, channels: usize) -> Shape {
        Shape::Image { height: self.down, width: self.across, channels }
    }

    /// Calls `each` for every row of the window at a place, as far as it is inside the image: the number of the first pixel in the
    /// window, where its channels begin in the image, and the number of pixels side by side.
    #[inline]
    pub fn runs(&self, place: usize, mut each: impl FnMut(usize, usize, usize)) {
        let (down, across) = (place / self.across * self.stride[0], place % self.across * self.stride[1]);
        // The columns of the window before and within the image.
        let first = self.left.saturating_sub(across);
        let end = (self.image.width + self.left - across).min(self.size[1]);
        for ky in self.top.saturating_sub(down)..(self.image.height + self.top - down).min(self.size[0]) {
            let (row, column) = (down + ky - self.top, across + first - self.left);
            let at = (row * self.image.width + column) * self.image.channels;
            each(ky * self.size[1] + first, at, end - first);
        }
    }

    /// Calls `each` for every pixel of the window at a place that is inside the image: its number in the window, and where its
    /// channels begin in the image.
    #[inline]
    pub fn pixels(&self, place: usize, mut each: impl FnMut(usize, usize)) {
        self.runs(place, |pixel, at, count| {
            (0..count).for_each(|step| each(pixel + step, at + step * self.image.channels));
        });
    }
}

/// The size of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// Number of rows of pixels.
    pub height: usize,
    /// Number of pixels in a row.
    pub width: usize,
    /// Numbers per pixel.
    pub channels: usize,
}

impl Size {
    /// Number of values.
    pub fn len(self) -> usize {
        self.height * self.width * self.channels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(size: usize, stride: usize, padding: Padding, pixels: usize) -> Option<(usize, usize)> {
        let window = Window { size: [size; 2], stride: [stride; 2], padding };
        let grid = window.grid(Shape::Image { height: pixels, width: pixels, channels: 2 }, "it").ok()?;
        assert_eq!((grid.down, grid.top), (grid.across, grid.left));
        Some((grid.down, grid.top))
    }

    /// The sizes that TensorFlow's documentation gives.
    #[test]
    fn places_are_those_of_the_formula() {
        assert_eq!(places(3, 1, Padding::Valid, 5), Some((3, 0)));
        assert_eq!(places(3, 1, Padding::Same, 5), Some((5, 1)));
        assert_eq!(places(2, 1, Padding::Same, 5), Some((5, 0)));
        assert_eq!(places(3, 2, Padding::Same, 6), Some((3, 0)));
        assert_eq!(places(3, 2, Padding::Same, 5), Some((3, 1)));
        assert_eq!(places(2, 3, Padding::Same, 7), Some((3, 0)));
        assert_eq!(places(3, 2, Padding::Sides([1, 1, 2, 2]), 6), Some((4, 1)));
    }

    #[test]
    fn windows_that_do_not_fit_are_refused() {
        for (size, stride, padding, pixels) in [
            (6, 1, Padding::Valid, 5),
            (0, 1, Padding::Valid, 5),
            (3, 0, Padding::Same, 5),
            (3, 1, Padding::Sides([3, 0, 0, 0]), 5),
            (3, 1, Padding::Sides([usize::MAX; 4]), 5),
        ] {
            assert_eq!(places(size, stride, padding, pixels), None);
        }
        let error = Window::square(3, 1).grid(Shape::Vector(4), "a pooling").expect_err("a vector");
        assert_eq!(error.message(), "a pooling reads images, got a vector of 4 values");
    }
}
