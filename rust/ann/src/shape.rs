//! The shape of one row.

use std::fmt;

use mmlrs_core::{Error, ErrorKind};

/// The shape of one row between two layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shape {
    /// A vector.
    Vector(usize),
    /// Rows of columns of channels, the channels of a pixel side by side.
    Image {
        /// Number of rows of pixels.
        height: usize,
        /// Number of pixels in a row.
        width: usize,
        /// Numbers per pixel.
        channels: usize,
    },
}

impl Shape {
    /// Number of values.
    pub fn len(self) -> usize {
        match self {
            Self::Vector(size) => size,
            Self::Image { height, width, channels } => height.saturating_mul(width).saturating_mul(channels),
        }
    }

    /// Number of channels of an image, or of values of a vector.
    pub fn channels(self) -> usize {
        match self {
            Self::Vector(size) => size,
            Self::Image { channels, .. } => channels,
        }
    }

    /// Whether there are no values.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vector(size) => write!(f, "a vector of {size} values"),
            Self::Image { height, width, channels } => {
                write!(f, "an image of {height} x {width} pixels with {channels} channels")
            }
        }
    }
}

/// The error of a layer that does not accept its input or its settings.
pub fn unfit(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidParam, message)
}
