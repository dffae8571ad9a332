//! Windows that slide over an image.

use mmlrs_core::{Error, Result};

use crate::shape::Shape;

/// A window, how far it moves, and the border of zeros around the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window {
    /// Height and width of the window.
    pub size: (usize, usize),
    /// Rows and columns from one place to the next.
    pub stride: (usize, usize),
    /// Rows above and below, and columns left and right of the image.
    pub padding: (usize, usize),
}

impl Window {
    /// A square window that moves by `stride`, without a border.
    pub fn square(size: usize, stride: usize) -> Self {
        Self { size: (size, size), stride: (stride, stride), padding: (0, 0) }
    }

    /// The image's height, width and channels, and the number of places down and along.
    pub fn places(&self, input: Shape, name: &str) -> Result<(Size, (usize, usize))> {
        let Shape::Image { height, width, channels } = input else {
            return Err(Error::runtime(format!("{name} reads images, got {input}")));
        };
        let along = |side: usize, size: usize, stride: usize, padding: usize| {
            let outer = side + 2 * padding;
            (size > 0 && stride > 0 && padding < size && outer >= size).then(|| (outer - size) / stride + 1)
        };
        let down = along(height, self.size.0, self.stride.0, self.padding.0);
        let across = along(width, self.size.1, self.stride.1, self.padding.1);
        match (down, across) {
            (Some(down), Some(across)) => Ok((Size { height, width, channels }, (down, across))),
            _ => Err(Error::runtime(format!(
                "{name} of {} x {} pixels, stride {} x {} and padding {} x {} does not fit {input}",
                self.size.0, self.size.1, self.stride.0, self.stride.1, self.padding.0, self.padding.1
            ))),
        }
    }

    /// Calls `each` for every pixel of the window at a place that is inside the image: its number in the window, and its row and
    /// column in the image.
    pub fn pixels(&self, image: Size, (down, across): (usize, usize), mut each: impl FnMut(usize, usize, usize)) {
        for ky in 0..self.size.0 {
            let row = (down * self.stride.0 + ky).wrapping_sub(self.padding.0);
            if row >= image.height {
                continue;
            }
            for kx in 0..self.size.1 {
                let column = (across * self.stride.1 + kx).wrapping_sub(self.padding.1);
                if column < image.width {
                    each(ky * self.size.1 + kx, row, column);
                }
            }
        }
    }
}

/// The size of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub height: usize,
    pub width: usize,
    pub channels: usize,
}

impl Size {
    /// Number of values.
    pub fn len(self) -> usize {
        self.height * self.width * self.channels
    }

    /// Where the channels of a pixel begin.
    pub fn at(self, row: usize, column: usize) -> usize {
        (row * self.width + column) * self.channels
    }
}
