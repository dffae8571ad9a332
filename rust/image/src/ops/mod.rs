//! The operations of `ImageTransformer`: parsed once into [`Op`], applied with OpenCV.

mod apply;
mod args;
mod boxes;
mod color;
mod filter_args;
mod filters;
mod mat;
mod parse;
mod sizes;
#[cfg(test)]
mod tests;

pub use apply::apply_ops;
pub(crate) use apply::{gray_error, resize};
pub use color::{ColorCode, Conversion};
pub use parse::parse_ops;

/// How pixel values are interpolated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Interpolation {
    /// Bilinear: `cv2.INTER_LINEAR`.
    Linear,
    /// Mean over the area that each pixel covers, linear when enlarging: `cv2.INTER_AREA`.
    #[default]
    Area,
    /// Bicubic: `cv2.INTER_CUBIC`.
    Cubic,
    /// The nearest pixel: `cv2.INTER_NEAREST`.
    Nearest,
    /// Lanczos over 8 x 8 pixels: `cv2.INTER_LANCZOS4`.
    Lanczos,
}

impl Interpolation {
    /// The allowed values of the param.
    pub const NAMES: [&'static str; 5] = ["linear", "area", "cubic", "nearest", "lanczos"];

    /// The interpolation with that name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "linear" => Some(Self::Linear),
            "area" => Some(Self::Area),
            "cubic" => Some(Self::Cubic),
            "nearest" => Some(Self::Nearest),
            "lanczos" => Some(Self::Lanczos),
            _ => None,
        }
    }

    pub(crate) fn code(self) -> i32 {
        match self {
            Self::Linear => opencv::imgproc::INTER_LINEAR,
            Self::Area => opencv::imgproc::INTER_AREA,
            Self::Cubic => opencv::imgproc::INTER_CUBIC,
            Self::Nearest => opencv::imgproc::INTER_NEAREST,
            Self::Lanczos => opencv::imgproc::INTER_LANCZOS4,
        }
    }
}

/// The target size of a resize.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResizeTo {
    /// This height and width.
    Exact {
        /// Number of rows.
        height: usize,
        /// Number of pixels in a row.
        width: usize,
    },
    /// The shorter side gets this length, the other keeps the aspect ratio.
    ShorterSide(usize),
}

/// A resize.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resize {
    /// The target size.
    pub to: ResizeTo,
    /// How pixel values are interpolated.
    pub interpolation: Interpolation,
}

impl Resize {
    /// Height and width of the result for an image of `height` and `width`.
    pub fn target(&self, height: usize, width: usize) -> (usize, usize) {
        let longer = |long: usize, short: usize, size: usize| {
            ((long as f64 * size as f64 / short.max(1) as f64).round() as usize).max(1)
        };
        match self.to {
            ResizeTo::Exact { height, width } => (height, width),
            ResizeTo::ShorterSide(size) if height < width => (size, longer(width, height, size)),
            ResizeTo::ShorterSide(size) => (longer(height, width, size), size),
        }
    }
}

/// How `pad` fills the border.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Border {
    /// One value per channel.
    Constant([f64; 4]),
    /// Mirrored, with the edge pixel repeated: `cv2.BORDER_REFLECT`.
    Reflect,
    /// Mirrored, without repeating the edge pixel: `cv2.BORDER_REFLECT_101`.
    Reflect101,
    /// The repeated edge pixel: `cv2.BORDER_REPLICATE`.
    Replicate,
}

/// A rectangle as fractions of an image, from its upper left corner.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Area {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// From the left to the right edge.
    pub width: f64,
    /// From the upper to the lower edge.
    pub height: f64,
}

/// A rectangle with what is in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Labelled {
    /// The rectangle.
    pub area: Area,
    /// What is in it.
    pub label: Option<String>,
    /// Its probability.
    pub score: Option<f64>,
}

/// How `drawBoxes` draws.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DrawStyle {
    /// Width of lines in pixels. If not set, it depends on the size of the image.
    pub thickness: Option<i32>,
    /// Whether labels and scores are written.
    pub texts: bool,
    /// Blue, green and red. If not set, it depends on the label.
    pub color: Option<[f64; 3]>,
}

/// A derivative of the pixel values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Derivative {
    /// `cv2.Sobel` of these orders.
    Sobel {
        /// Order along a row.
        dx: i32,
        /// Order down a column.
        dy: i32,
        /// Size of the kernel: 1, 3, 5 or 7 pixels.
        aperture: i32,
    },
    /// `cv2.Scharr` along a row (`dx` 1) or down a column (`dy` 1).
    Scharr {
        /// Order along a row.
        dx: i32,
        /// Order down a column.
        dy: i32,
    },
    /// `cv2.Laplacian`.
    Laplacian {
        /// Size of the kernel.
        aperture: i32,
    },
}

/// One operation on an image.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // The fields are the arguments, described with the params of ImageTransformer.
pub enum Op {
    Resize(Resize),
    Crop {
        x: usize,
        y: usize,
        height: usize,
        width: usize,
    },
    CenterCrop {
        height: usize,
        width: usize,
    },
    ColorFormat(ColorCode),
    Blur {
        height: i32,
        width: i32,
    },
    Threshold {
        threshold: f64,
        max_value: f64,
        kind: i32,
    },
    GaussianKernel {
        aperture: i32,
        sigma: f64,
    },
    Flip {
        code: i32,
    },
    Rotate {
        degrees: f64,
        interpolation: Interpolation,
    },
    MedianBlur {
        aperture: i32,
    },
    BilateralFilter {
        diameter: i32,
        sigma_color: f64,
        sigma_space: f64,
    },
    Canny {
        threshold1: f64,
        threshold2: f64,
        aperture: i32,
    },
    EqualizeHist,
    WarpAffine {
        matrix: [f64; 6],
        size: Option<(usize, usize)>,
        interpolation: Interpolation,
    },
    Pad {
        top: usize,
        bottom: usize,
        left: usize,
        right: usize,
        border: Border,
    },
    Morphology {
        action: &'static str,
        operation: i32,
        shape: i32,
        height: i32,
        width: i32,
        iterations: i32,
    },
    Derivative {
        of: Derivative,
        scale: f64,
        delta: f64,
        absolute: bool,
    },
    Filter2D {
        kernel: Vec<Vec<f64>>,
        delta: f64,
    },
    AdaptiveThreshold {
        max_value: f64,
        method: i32,
        kind: i32,
        block: i32,
        constant: f64,
    },
    WarpPerspective {
        matrix: [f64; 9],
        size: Option<(usize, usize)>,
        interpolation: Interpolation,
    },
    Clahe {
        clip_limit: f64,
        tiles: (i32, i32),
    },
    InRange {
        lower: Vec<f64>,
        upper: Vec<f64>,
    },
    BrightnessContrast {
        brightness: f64,
        contrast: f64,
    },
    /// The area is that of the row's box, set for each row.
    CropBox {
        margin: f64,
        area: Option<Area>,
    },
    /// The boxes are those of the row, set for each row.
    DrawBoxes {
        style: DrawStyle,
        boxes: Vec<Labelled>,
    },
    /// Exactly this number of channels: 1 gray, 3 BGR, 4 BGRA. Not available to users; stages add it.
    Channels(usize),
    /// Gray becomes BGR, colour is unchanged. Not available to users; stages add it.
    AutoColor,
    /// This number of channels, 3 or 4, for every image. A gray image is converted or is an error. Not available to users;
    /// stages add it if all images of a column must have the same number of channels.
    Colour {
        channels: usize,
        expand_gray: bool,
    },
}

impl Op {
    /// The action's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Resize(_) => "resize",
            Self::Crop { .. } | Self::CropBox { .. } => "crop",
            Self::CenterCrop { .. } => "centerCrop",
            Self::ColorFormat(_) => "colorFormat",
            Self::Blur { .. } => "blur",
            Self::Threshold { .. } => "threshold",
            Self::GaussianKernel { .. } => "gaussianKernel",
            Self::Flip { .. } => "flip",
            Self::Rotate { .. } => "rotate",
            Self::MedianBlur { .. } => "medianBlur",
            Self::BilateralFilter { .. } => "bilateralFilter",
            Self::Canny { .. } => "canny",
            Self::EqualizeHist => "equalizeHist",
            Self::WarpAffine { .. } => "warpAffine",
            Self::Pad { .. } => "pad",
            Self::Morphology { action, .. } => action,
            Self::Derivative { of: Derivative::Sobel { .. }, .. } => "sobel",
            Self::Derivative { of: Derivative::Scharr { .. }, .. } => "scharr",
            Self::Derivative { of: Derivative::Laplacian { .. }, .. } => "laplacian",
            Self::Filter2D { .. } => "filter2D",
            Self::AdaptiveThreshold { .. } => "adaptiveThreshold",
            Self::WarpPerspective { .. } => "warpPerspective",
            Self::Clahe { .. } => "clahe",
            Self::InRange { .. } => "inRange",
            Self::BrightnessContrast { .. } => "brightnessContrast",
            Self::DrawBoxes { .. } => "drawBoxes",
            Self::Channels(_) => "channels",
            Self::AutoColor | Self::Colour { .. } => "autoConvertToColor",
        }
    }

    /// Whether the operation needs a column of boxes.
    pub fn needs_boxes(&self) -> bool {
        matches!(self, Self::CropBox { .. } | Self::DrawBoxes { .. })
    }

    /// The number of channels of every result, if it does not depend on the image.
    pub fn channels(&self) -> Option<usize> {
        match self {
            Self::ColorFormat(code) => Some(code.makes()),
            Self::Canny { .. } | Self::AdaptiveThreshold { .. } | Self::InRange { .. } => Some(1),
            // A computed threshold needs gray images.
            Self::Threshold { kind, .. } if kind / 8 > 0 => Some(1),
            Self::Channels(channels) | Self::Colour { channels, .. } => Some(*channels),
            _ => None,
        }
    }
}
