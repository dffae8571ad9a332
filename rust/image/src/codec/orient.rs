//! EXIF orientations.

use image::metadata::Orientation;
use mmlrs_core::Result;
use opencv::core as cv;
use opencv::core::Mat;

use crate::image::{Image, Pixmap, cv_error};

/// Whether height and width are exchanged.
pub fn swaps_axes(orientation: Orientation) -> bool {
    matches!(
        orientation,
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH
    )
}

/// Rotates and flips an image so that it is upright.
pub fn apply(image: Image, orientation: Orientation) -> Result<Image> {
    if orientation == Orientation::NoTransforms {
        return Ok(image);
    }
    image.view().with_mat(|mat| {
        let mut out = Mat::default();
        match orientation {
            Orientation::NoTransforms => return Ok(image.clone()),
            Orientation::FlipHorizontal => cv::flip(mat, &mut out, 1),
            Orientation::FlipVertical => cv::flip(mat, &mut out, 0),
            Orientation::Rotate180 => cv::flip(mat, &mut out, -1),
            Orientation::Rotate90 => cv::rotate(mat, &mut out, cv::ROTATE_90_CLOCKWISE),
            Orientation::Rotate270 => cv::rotate(mat, &mut out, cv::ROTATE_90_COUNTERCLOCKWISE),
            Orientation::Rotate90FlipH => cv::transpose(mat, &mut out),
            Orientation::Rotate270FlipH => {
                let mut turned = Mat::default();
                cv::transpose(mat, &mut turned).and_then(|()| cv::flip(&turned, &mut out, -1))
            }
        }
        .map_err(|e| cv_error(&e))?;
        Image::from_mat(&Pixmap::from(out))
    })
}
