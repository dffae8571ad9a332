//! The argument of `colorFormat`: a name or a code of `cv2.cvtColor`.

use opencv::imgproc as cv;

/// The target of `colorFormat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColorCode {
    /// A code of `cv2.cvtColor`.
    Code(Conversion),
    /// One channel, from any image. A gray image is unchanged.
    Gray,
    /// Three channels, from any image. A BGR image is unchanged.
    Bgr,
    /// Four channels, from any image. A BGRA image is unchanged.
    Bgra,
    /// A code that reads BGR, applied to any image.
    FromBgr(i32),
}

/// One code of `cv2.cvtColor`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conversion {
    /// The number of the code.
    pub code: i32,
    /// Its name in upper case, without `COLOR_`.
    pub name: &'static str,
}

impl Conversion {
    /// The numbers of channels it reads.
    pub fn takes(self) -> &'static [usize] {
        let (source, target) = self.name.split_once('2').unwrap_or_default();
        match source {
            "MRGBA" => &[4],
            // Premultiplied by alpha.
            "RGBA" if target == "MRGBA" => &[4],
            "BGR" | "RGB" | "BGRA" | "RGBA" => &[3, 4],
            "GRAY" | "BAYERBG" | "BAYERGB" | "BAYERRG" | "BAYERGR" => &[1],
            _ => &[3],
        }
    }

    /// The number of channels of the result.
    pub fn makes(self) -> usize {
        match self.name.split('2').nth(1).unwrap_or_default() {
            "GRAY" => 1,
            "BGRA" | "RGBA" | "MRGBA" => 4,
            _ => 3,
        }
    }
}

/// `cv2.COLOR_...` names, without the prefix: the codes for images of 8 bits and 1, 3 or 4 channels.
const CODES: &[(&str, i32)] = &[
    ("BGR2GRAY", cv::COLOR_BGR2GRAY),
    ("RGB2GRAY", cv::COLOR_RGB2GRAY),
    ("BGRA2GRAY", cv::COLOR_BGRA2GRAY),
    ("RGBA2GRAY", cv::COLOR_RGBA2GRAY),
    ("GRAY2BGR", cv::COLOR_GRAY2BGR),
    ("GRAY2RGB", cv::COLOR_GRAY2RGB),
    ("GRAY2BGRA", cv::COLOR_GRAY2BGRA),
    ("GRAY2RGBA", cv::COLOR_GRAY2RGBA),
    ("BGR2RGB", cv::COLOR_BGR2RGB),
    ("RGB2BGR", cv::COLOR_RGB2BGR),
    ("BGR2BGRA", cv::COLOR_BGR2BGRA),
    ("RGB2RGBA", cv::COLOR_RGB2RGBA),
    ("BGR2RGBA", cv::COLOR_BGR2RGBA),
    ("RGB2BGRA", cv::COLOR_RGB2BGRA),
    ("BGRA2BGR", cv::COLOR_BGRA2BGR),
    ("RGBA2RGB", cv::COLOR_RGBA2RGB),
    ("BGRA2RGB", cv::COLOR_BGRA2RGB),
    ("RGBA2BGR", cv::COLOR_RGBA2BGR),
    ("BGRA2RGBA", cv::COLOR_BGRA2RGBA),
    ("RGBA2BGRA", cv::COLOR_RGBA2BGRA),
    ("RGBA2MRGBA", cv::COLOR_RGBA2mRGBA),
    ("MRGBA2RGBA", cv::COLOR_mRGBA2RGBA),
    ("BGR2HSV", cv::COLOR_BGR2HSV),
    ("RGB2HSV", cv::COLOR_RGB2HSV),
    ("HSV2BGR", cv::COLOR_HSV2BGR),
    ("HSV2RGB", cv::COLOR_HSV2RGB),
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
    ("BGR2HSV_FULL", cv::COLOR_BGR2HSV_FULL),
    ("RGB2HSV_FULL", cv::COLOR_RGB2HSV_FULL),
    ("HSV2BGR_FULL", cv::COLOR_HSV2BGR_FULL),
    ("HSV2RGB_FULL", cv::COLOR_HSV2RGB_FULL),
    ("BGR2HLS_FULL", cv::COLOR_BGR2HLS_FULL),
    ("RGB2HLS_FULL", cv::COLOR_RGB2HLS_FULL),
    ("HLS2BGR_FULL", cv::COLOR_HLS2BGR_FULL),
    ("HLS2RGB_FULL", cv::COLOR_HLS2RGB_FULL),
    ("BAYERBG2BGR", cv::COLOR_BayerBG2BGR),
    ("BAYERBG2RGB", cv::COLOR_BayerBG2RGB),
    ("BAYERBG2GRAY", cv::COLOR_BayerBG2GRAY),
    ("BAYERBG2BGR_VNG", cv::COLOR_BayerBG2BGR_VNG),
    ("BAYERBG2RGB_VNG", cv::COLOR_BayerBG2RGB_VNG),
    ("BAYERBG2BGR_EA", cv::COLOR_BayerBG2BGR_EA),
    ("BAYERBG2RGB_EA", cv::COLOR_BayerBG2RGB_EA),
    ("BAYERGB2BGR", cv::COLOR_BayerGB2BGR),
    ("BAYERGB2RGB", cv::COLOR_BayerGB2RGB),
    ("BAYERGB2GRAY", cv::COLOR_BayerGB2GRAY),
    ("BAYERGB2BGR_VNG", cv::COLOR_BayerGB2BGR_VNG),
    ("BAYERGB2RGB_VNG", cv::COLOR_BayerGB2RGB_VNG),
    ("BAYERGB2BGR_EA", cv::COLOR_BayerGB2BGR_EA),
    ("BAYERGB2RGB_EA", cv::COLOR_BayerGB2RGB_EA),
    ("BAYERRG2BGR", cv::COLOR_BayerRG2BGR),
    ("BAYERRG2RGB", cv::COLOR_BayerRG2RGB),
    ("BAYERRG2GRAY", cv::COLOR_BayerRG2GRAY),
    ("BAYERRG2BGR_VNG", cv::COLOR_BayerRG2BGR_VNG),
    ("BAYERRG2RGB_VNG", cv::COLOR_BayerRG2RGB_VNG),
    ("BAYERRG2BGR_EA", cv::COLOR_BayerRG2BGR_EA),
    ("BAYERRG2RGB_EA", cv::COLOR_BayerRG2RGB_EA),
    ("BAYERGR2BGR", cv::COLOR_BayerGR2BGR),
    ("BAYERGR2RGB", cv::COLOR_BayerGR2RGB),
    ("BAYERGR2GRAY", cv::COLOR_BayerGR2GRAY),
    ("BAYERGR2BGR_VNG", cv::COLOR_BayerGR2BGR_VNG),
    ("BAYERGR2RGB_VNG", cv::COLOR_BayerGR2RGB_VNG),
    ("BAYERGR2BGR_EA", cv::COLOR_BayerGR2BGR_EA),
    ("BAYERGR2RGB_EA", cv::COLOR_BayerGR2RGB_EA),
];

/// The colour spaces with a single-word name.
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
    /// The conversion with that name: a colour space, or a `cv2.COLOR_` name with or without the prefix, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        if let Some((_, code)) = SPACES.iter().find(|(space, _)| space.eq_ignore_ascii_case(name)) {
            return Some(*code);
        }
        let upper = name.to_ascii_uppercase();
        let bare = upper.strip_prefix("COLOR_").unwrap_or(&upper);
        CODES
            .iter()
            .find(|(code_name, _)| *code_name == bare)
            .map(|(name, code)| Self::Code(Conversion { code: *code, name }))
    }

    /// The conversion with that number.
    pub fn from_code(number: i64) -> Option<Self> {
        let entry = CODES.iter().find(|(_, code)| i64::from(*code) == number);
        entry.map(|(name, code)| Self::Code(Conversion { code: *code, name }))
    }

    /// The number of channels of every result.
    pub fn makes(self) -> usize {
        match self {
            Self::Code(conversion) => conversion.makes(),
            Self::Gray => 1,
            Self::Bgr | Self::FromBgr(_) => 3,
            Self::Bgra => 4,
        }
    }

    /// The allowed values, for errors.
    pub fn allowed() -> String {
        let spaces: Vec<String> = SPACES.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        format!("a code of cv2.cvtColor for 8-bit images, a name such as \"BGR2HSV\", or one of {}", spaces.join(", "))
    }
}
