//! The argument of `colorFormat`: a name or a code of `cv2.cvtColor`.

use opencv::imgproc as cv;

/// What `colorFormat` converts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColorCode {
    /// A code of `cv2.cvtColor`, applied as it is.
    Code(i32),
    /// One channel, from any image; a gray image stays.
    Gray,
    /// Three channels, from any image; a BGR image stays.
    Bgr,
    /// Four channels, from any image; a BGRA image stays.
    Bgra,
    /// The code that takes BGR, from any image.
    FromBgr(i32),
}

/// `cv2.COLOR_...` names, without the prefix.
const CODES: [(&str, i32); 44] = [
    ("BGR2GRAY", cv::COLOR_BGR2GRAY),
    ("RGB2GRAY", cv::COLOR_RGB2GRAY),
    ("GRAY2BGR", cv::COLOR_GRAY2BGR),
    ("GRAY2RGB", cv::COLOR_GRAY2RGB),
    ("GRAY2BGRA", cv::COLOR_GRAY2BGRA),
    ("BGRA2GRAY", cv::COLOR_BGRA2GRAY),
    ("RGBA2GRAY", cv::COLOR_RGBA2GRAY),
    ("BGR2RGB", cv::COLOR_BGR2RGB),
    ("RGB2BGR", cv::COLOR_RGB2BGR),
    ("BGR2BGRA", cv::COLOR_BGR2BGRA),
    ("BGRA2BGR", cv::COLOR_BGRA2BGR),
    ("BGRA2RGBA", cv::COLOR_BGRA2RGBA),
    ("BGRA2RGB", cv::COLOR_BGRA2RGB),
    ("BGR2RGBA", cv::COLOR_BGR2RGBA),
    ("BGR2HSV", cv::COLOR_BGR2HSV),
    ("RGB2HSV", cv::COLOR_RGB2HSV),
    ("HSV2BGR", cv::COLOR_HSV2BGR),
    ("HSV2RGB", cv::COLOR_HSV2RGB),
    ("BGR2HSV_FULL", cv::COLOR_BGR2HSV_FULL),
    ("HSV2BGR_FULL", cv::COLOR_HSV2BGR_FULL),
    ("BGR2HLS", cv::COLOR_BGR2HLS),
    ("RGB2HLS", cv::COLOR_RGB2HLS),
    ("HLS2BGR", cv::COLOR_HLS2BGR),
    ("HLS2RGB", cv::COLOR_HLS2RGB),
    ("BGR2LAB", cv::COLOR_BGR2Lab),
    ("RGB2LAB", cv::COLOR_RGB2Lab),
    ("LAB2BGR", cv::COLOR_Lab2BGR),
    ("LAB2RGB", cv::COLOR_Lab2RGB),
    ("BGR2LUV", cv::COLOR_BGR2Luv),
    ("RGB2LUV", cv::COLOR_RGB2Luv),
    ("LUV2BGR", cv::COLOR_Luv2BGR),
    ("LUV2RGB", cv::COLOR_Luv2RGB),
    ("BGR2XYZ", cv::COLOR_BGR2XYZ),
    ("RGB2XYZ", cv::COLOR_RGB2XYZ),
    ("XYZ2BGR", cv::COLOR_XYZ2BGR),
    ("XYZ2RGB", cv::COLOR_XYZ2RGB),
    ("BGR2YCRCB", cv::COLOR_BGR2YCrCb),
    ("RGB2YCRCB", cv::COLOR_RGB2YCrCb),
    ("YCRCB2BGR", cv::COLOR_YCrCb2BGR),
    ("YCRCB2RGB", cv::COLOR_YCrCb2RGB),
    ("BGR2YUV", cv::COLOR_BGR2YUV),
    ("RGB2YUV", cv::COLOR_RGB2YUV),
    ("YUV2BGR", cv::COLOR_YUV2BGR),
    ("YUV2RGB", cv::COLOR_YUV2RGB),
];

/// The colour spaces that one word names.
const SPACES: [(&str, ColorCode); 12] = [
    ("gray", ColorCode::Gray),
    ("grey", ColorCode::Gray),
    ("bgr", ColorCode::Bgr),
    ("bgra", ColorCode::Bgra),
    ("rgb", ColorCode::FromBgr(cv::COLOR_BGR2RGB)),
    ("hsv", ColorCode::FromBgr(cv::COLOR_BGR2HSV)),
    ("hls", ColorCode::FromBgr(cv::COLOR_BGR2HLS)),
    ("lab", ColorCode::FromBgr(cv::COLOR_BGR2Lab)),
    ("luv", ColorCode::FromBgr(cv::COLOR_BGR2Luv)),
    ("xyz", ColorCode::FromBgr(cv::COLOR_BGR2XYZ)),
    ("ycrcb", ColorCode::FromBgr(cv::COLOR_BGR2YCrCb)),
    ("yuv", ColorCode::FromBgr(cv::COLOR_BGR2YUV)),
];

impl ColorCode {
    /// The conversion of that name: a colour space, or a `cv2.COLOR_` name with or without the prefix, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        if let Some((_, code)) = SPACES.iter().find(|(space, _)| space.eq_ignore_ascii_case(name)) {
            return Some(*code);
        }
        let upper = name.to_ascii_uppercase();
        let bare = upper.strip_prefix("COLOR_").unwrap_or(&upper);
        CODES.iter().find(|(known, _)| *known == bare).map(|(_, code)| Self::Code(*code))
    }

    /// What an error says is allowed.
    pub fn allowed() -> String {
        let spaces: Vec<String> = SPACES.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        format!("a code of cv2.cvtColor, a name such as \"BGR2HSV\", or one of {}", spaces.join(", "))
    }
}
