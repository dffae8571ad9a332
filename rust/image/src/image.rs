//! The decoded image: 8-bit rows of gray, BGR or BGRA pixels, owned or borrowed.

use std::sync::atomic::{AtomicBool, Ordering};

use mmlrs_core::{Error, Result};
use opencv::boxed_ref::BoxedRef;
use opencv::core::{Mat, MatTraitConst, MatTraitConstManual, Vec3b, Vec4b};

/// A `Mat` that owns its pixels or borrows those of an image.
pub(crate) type Pixmap<'a> = BoxedRef<'a, Mat>;

/// A decoded image that owns its pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    height: usize,
    width: usize,
    channels: usize,
    data: Vec<u8>,
}

/// A decoded image that borrows its pixels, from an Arrow buffer for example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageView<'a> {
    height: usize,
    width: usize,
    channels: usize,
    data: &'a [u8],
}

impl Image {
    /// An image of `height` rows of `width` pixels of `channels` (1 gray, 3 BGR, 4 BGRA) bytes.
    pub fn new(height: usize, width: usize, channels: usize, data: Vec<u8>) -> Result<Self> {
        check_shape(height, width, channels, data.len())?;
        Ok(Self { height, width, channels, data })
    }

    /// Number of rows of pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Number of pixels in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of bytes in a pixel: 1 (gray), 3 (BGR) or 4 (BGRA).
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// The pixels, row by row.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The pixels, row by row.
    pub fn into_data(self) -> Vec<u8> {
        self.data
    }

    /// A borrowed view of the image.
    pub fn view(&self) -> ImageView<'_> {
        ImageView { height: self.height, width: self.width, channels: self.channels, data: &self.data }
    }

    /// Copies an 8-bit `Mat`.
    pub(crate) fn from_mat(mat: &Pixmap<'_>) -> Result<Self> {
        let (height, width, channels) = (mat.rows() as usize, mat.cols() as usize, mat.channels() as usize);
        let data = if mat.is_continuous() {
            mat.data_bytes().map_err(|e| cv_error(&e))?.to_vec()
        } else {
            let contiguous = mat.try_clone().map_err(|e| cv_error(&e))?;
            contiguous.data_bytes().map_err(|e| cv_error(&e))?.to_vec()
        };
        Self::new(height, width, channels, data)
    }
}

impl<'a> ImageView<'a> {
    /// A view of `height` rows of `width` pixels of `channels` (1 gray, 3 BGR, 4 BGRA) bytes.
    pub fn new(height: usize, width: usize, channels: usize, data: &'a [u8]) -> Result<Self> {
        check_shape(height, width, channels, data.len())?;
        Ok(Self { height, width, channels, data })
    }

    /// Number of rows of pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Number of pixels in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of bytes in a pixel: 1 (gray), 3 (BGR) or 4 (BGRA).
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// The pixels, row by row.
    pub fn data(&self) -> &'a [u8] {
        self.data
    }

    /// Spark's code for the pixel format: 0 gray, 16 BGR, 24 BGRA.
    pub fn mode(&self) -> i32 {
        mode_of(self.channels)
    }

    /// An owned copy of the image.
    pub fn to_image(&self) -> Image {
        Image { height: self.height, width: self.width, channels: self.channels, data: self.data.to_vec() }
    }

    /// Runs `f` on the image as a `Mat` that shares its pixels.
    pub(crate) fn with_mat<T>(&self, f: impl FnOnce(&Pixmap<'_>) -> Result<T>) -> Result<T> {
        single_threaded();
        let (rows, cols) = (self.height as i32, self.width as i32);
        let mat = match self.channels {
            1 => Mat::new_rows_cols_with_bytes::<u8>(rows, cols, self.data),
            3 => Mat::new_rows_cols_with_bytes::<Vec3b>(rows, cols, self.data),
            _ => Mat::new_rows_cols_with_bytes::<Vec4b>(rows, cols, self.data),
        };
        f(&mat.map_err(|e| cv_error(&e))?)
    }
}

/// The version of the OpenCV library in use.
pub fn opencv_version() -> String {
    opencv::core::get_version_string().unwrap_or_else(|_| opencv::core::CV_VERSION.to_owned())
}

/// Spark's code for 8-bit pixels with a number of channels.
pub(crate) fn mode_of(channels: usize) -> i32 {
    match channels {
        1 => 0,
        3 => 16,
        _ => 24,
    }
}

/// An exception of OpenCV as an error: its message, without the library's files, lines, functions and templates.
pub(crate) fn cv_error(error: &opencv::Error) -> Error {
    Error::runtime(format!("OpenCV rejected the image or the arguments: {}", cause(&error.message)))
}

/// The sentence in a message: the part after the file and the code, without the function and its templates.
fn cause(message: &str) -> String {
    let text = message.split_once("error: ").map_or(message, |(_, rest)| rest);
    let text = match text.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
        Some((code, rest)) if code.starts_with('-') => rest,
        _ => text,
    };
    let lines = text.lines().map(|line| line.trim_start_matches(['>', ' ']).trim());
    let plain: Vec<&str> = lines.filter(|line| !line.is_empty() && !line.starts_with("in function")).collect();
    // An assertion's expression precedes the function's name on the same line.
    let text = plain.join(" ");
    let text = text.split(" in function ").next().unwrap_or_default();
    text.chars().filter(|c| *c != '\'').take(200).collect()
}

/// Switches OpenCV's own threads off, since the run's thread budget is spent on rows.
fn single_threaded() {
    static DONE: AtomicBool = AtomicBool::new(false);
    // A second call is harmless, while a `Once` that another thread runs would block forever in a forked child.
    if !DONE.load(Ordering::Relaxed) {
        // A failure leaves the default, which is only slower.
        let _ = opencv::core::set_num_threads(1);
        DONE.store(true, Ordering::Relaxed);
    }
}

fn check_shape(height: usize, width: usize, channels: usize, bytes: usize) -> Result<()> {
    if ![1, 3, 4].contains(&channels) {
        return Err(Error::decode(format!("an image must have 1, 3 or 4 channels, got {channels}")));
    }
    if height == 0 || width == 0 {
        return Err(Error::decode(format!("an image of {width} x {height} pixels has no pixels")));
    }
    let dimension = i32::MAX as usize;
    if height > dimension || width > dimension {
        return Err(Error::limit(format!("an image of {width} x {height} pixels is too large")));
    }
    match height.checked_mul(width).and_then(|n| n.checked_mul(channels)) {
        Some(expected) if expected == bytes => Ok(()),
        _ => Err(Error::decode(format!(
            "an image of {width} x {height} pixels and {channels} channels cannot have {bytes} bytes of data"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_opencv_loses_its_files_and_templates() {
        let message = "OpenCV(4.6.0) ./modules/imgproc/src/color.simd_helpers.hpp:92: error: (-2:Unspecified error) in \
                       function 'cv::impl::{anonymous}::CvtHelper<VScn, VDcn, VDepth>::CvtHelper(cv::InputArray) [with \
                       VScn = cv::impl::{anonymous}::Set<3, 4>]'\n> Invalid number of channels in input image:\n>     \
                       'VScn::contains(scn)'\n> where\n>     'scn' is 1\n";
        let expected = "Invalid number of channels in input image: VScn::contains(scn) where scn is 1";
        assert_eq!(cause(message), expected);
        let assertion = "OpenCV(4.6.0) ./modules/imgproc/src/thresh.cpp:1555: error: (-215:Assertion failed) src.type() == \
                         CV_8UC1 in function 'threshold'\n";
        assert_eq!(cause(assertion), " src.type() == CV_8UC1".trim());
        assert_eq!(cause("no memory"), "no memory");
    }
}
