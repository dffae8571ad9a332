use mmlrs_core::{ErrorKind, Operation, ParamField, Result};
use serde_json::{Value, json};

use super::*;
use crate::image::{Image, ImageView};
use crate::options::DecodeOptions;
use crate::sample::sample_image;

fn parse(stages: &Value) -> Result<Vec<Op>> {
    let operations = Vec::<Operation>::from_value(stages).map_err(|m| mmlrs_core::Error::param("stages", m))?;
    parse_ops(&operations, Interpolation::Linear)
}

fn run(stages: &Value, image: ImageView<'_>) -> Result<Image> {
    apply_ops(image, &parse(stages)?, &DecodeOptions::default())
}

fn shape(image: &Image) -> (usize, usize, usize) {
    (image.height(), image.width(), image.channels())
}

/// Rows 0..3 and columns 0..4 with the values 10 * row + column.
fn numbers() -> Result<Image> {
    Image::new(3, 4, 1, (0..12).map(|i| (i / 4 * 10 + i % 4) as u8).collect())
}

#[test]
fn every_action_runs_on_gray_colour_and_alpha() -> Result<()> {
    let cases = [
        (json!({"action": "resize", "height": 12, "width": 10}), (12, 10)),
        (json!({"action": "resize", "size": 16}), (16, 24)),
        (json!({"action": "resize", "size": 16, "keepAspectRatio": false}), (16, 16)),
        (json!({"action": "crop", "x": 3, "y": 2, "height": 5, "width": 7}), (5, 7)),
        (json!({"action": "centerCrop", "height": 10, "width": 100}), (10, 48)),
        (json!({"action": "blur", "height": 3, "width": 5}), (32, 48)),
        (json!({"action": "threshold", "threshold": 100, "maxVal": 255, "type": 0}), (32, 48)),
        (json!({"action": "gaussianKernel", "apertureSize": 5, "sigma": 1.5}), (32, 48)),
        (json!({"action": "flip", "code": -1}), (32, 48)),
        (json!({"action": "rotate", "degrees": 90}), (48, 32)),
        (json!({"action": "rotate", "degrees": -30.5}), (32, 48)),
        (json!({"action": "medianBlur", "apertureSize": 3}), (32, 48)),
        (json!({"action": "equalizeHist"}), (32, 48)),
        (json!({"action": "warpAffine", "matrix": [1, 0, 2, 0, 1, 3], "height": 20, "width": 30}), (20, 30)),
        (json!({"action": "pad", "top": 1, "bottom": 2, "left": 3, "right": 4}), (35, 55)),
        (json!({"action": "erode", "height": 3, "width": 2, "shape": "cross"}), (32, 48)),
        (json!({"action": "dilate", "height": 3, "width": 2, "iterations": 2}), (32, 48)),
        (json!({"action": "morphologyEx", "op": "tophat", "height": 3, "width": 2}), (32, 48)),
        (json!({"action": "Sobel", "dx": 1, "absolute": true}), (32, 48)),
        (json!({"action": "scharr", "dy": 1}), (32, 48)),
        (json!({"action": "Laplacian", "apertureSize": 3}), (32, 48)),
        (json!({"action": "filter2D", "kernel": [[0, 1], [1, 0]]}), (32, 48)),
        (json!({"action": "warpPerspective", "matrix": [1, 0, 2, 0, 1, 3, 0, 0, 1], "height": 5, "width": 6}), (5, 6)),
        (json!({"action": "CLAHE", "clipLimit": 2}), (32, 48)),
        (json!({"action": "brightnessContrast", "contrast": 1.5}), (32, 48)),
    ];
    let bgr = sample_image(32, 48, 1)?;
    for channels in [1, 3, 4] {
        let image = apply_ops(bgr.view(), &[Op::Channels(channels)], &DecodeOptions::default())?;
        for (stage, (height, width)) in &cases {
            let out = run(&json!([stage]), image.view())?;
            assert_eq!(shape(&out), (*height, *width, channels), "{stage}");
        }
    }
    for channels in [1, 3] {
        let image = apply_ops(bgr.view(), &[Op::Channels(channels)], &DecodeOptions::default())?;
        let smooth = json!([{"action": "bilateralFilter", "diameter": 5, "sigmaColor": 20, "sigmaSpace": 20}]);
        assert_eq!(shape(&run(&smooth, image.view())?), (32, 48, channels));
        let edges = json!([{"action": "canny", "threshold1": 50, "threshold2": 100}]);
        assert_eq!(shape(&run(&edges, image.view())?), (32, 48, 1));
    }
    Ok(())
}

#[test]
fn geometry_is_exact() -> Result<()> {
    let image = numbers()?;
    let cropped = run(&json!([{"action": "crop", "x": 1, "y": 1, "height": 2, "width": 3}]), image.view())?;
    assert_eq!(cropped.data(), [11, 12, 13, 21, 22, 23]);
    let flipped = run(&json!([{"action": "flip"}]), image.view())?;
    assert_eq!(flipped.data()[..4], [3, 2, 1, 0]);
    let turned = run(&json!([{"action": "rotate", "degrees": 90}]), image.view())?;
    assert_eq!((turned.height(), &turned.data()[..3]), (4, &[3, 13, 23][..]), "counter-clockwise");
    let padded = run(&json!([{"action": "pad", "left": 1, "value": 7}]), image.view())?;
    assert_eq!(padded.data()[..5], [7, 0, 1, 2, 3]);
    let mirrored = run(&json!([{"action": "pad", "left": 2, "mode": "reflect"}]), image.view())?;
    assert_eq!(mirrored.data()[..4], [1, 0, 0, 1]);
    let mirrored = run(&json!([{"action": "pad", "left": 2, "mode": "reflect101"}]), image.view())?;
    assert_eq!(mirrored.data()[..4], [2, 1, 0, 1]);
    Ok(())
}

#[test]
fn blur_takes_height_and_width_the_right_way_round() -> Result<()> {
    // One bright row: a blur of height 1 leaves it, a blur of width 1 spreads it.
    let image = Image::new(3, 3, 1, vec![0, 0, 0, 90, 90, 90, 0, 0, 0])?;
    assert_eq!(run(&json!([{"action": "blur", "height": 1, "width": 3}]), image.view())?, image);
    let spread = run(&json!([{"action": "blur", "height": 3, "width": 1}]), image.view())?;
    assert_eq!(spread.data()[3..6], [30, 30, 30]);
    Ok(())
}

#[test]
fn the_gaussian_blurs_in_both_directions() -> Result<()> {
    let mut dot = vec![0; 49];
    dot[24] = 255;
    let image = Image::new(7, 7, 1, dot)?;
    let out = run(&json!([{"action": "gaussianKernel", "apertureSize": 3, "sigma": 1.0}]), image.view())?;
    assert!(out.data()[23] > 20 && out.data()[17] > 20 && out.data()[16] > 5);
    assert_eq!(out.data()[23], out.data()[17]);
    Ok(())
}

#[test]
fn colour_names_codes_and_the_old_spellings_agree() -> Result<()> {
    let image = sample_image(8, 8, 1)?;
    let gray = run(&json!([{"action": "colorFormat", "code": "gray"}]), image.view())?;
    for code in [json!("BGR2GRAY"), json!("COLOR_BGR2GRAY"), json!(6)] {
        assert_eq!(run(&json!([{"action": "colorformat", "code": code}]), image.view())?, gray);
    }
    assert_eq!(run(&json!([{"action": "colorFormat", "format": 6}]), image.view())?, gray);
    let back = run(&json!([{"action": "colorFormat", "code": "bgr"}]), gray.view())?;
    assert_eq!(back.channels(), 3);
    let hsv = run(&json!([{"action": "colorFormat", "code": "hsv"}]), gray.view())?;
    assert_eq!(hsv.channels(), 3, "a gray image goes through BGR");
    assert!(parse(&json!([{"action": "centercrop", "height": 1, "width": 1}])).is_ok());
    assert!(parse(&json!([{"action": "gaussiankernel", "apertureSize": 3, "sigma": 1}])).is_ok());
    Ok(())
}

#[test]
fn a_crop_outside_the_image_names_the_size() -> Result<()> {
    let image = numbers()?;
    let result = run(&json!([{"action": "crop", "x": 2, "y": 0, "height": 2, "width": 3}]), image.view());
    let message = result.err().map(|e| e.to_string()).unwrap_or_default();
    assert_eq!(message, "crop: the rectangle of 3 x 2 pixels at x 2, y 0 is not inside the image of 4 x 3 pixels");
    Ok(())
}

#[test]
fn a_result_over_the_limit_is_refused() -> Result<()> {
    let image = numbers()?;
    for stage in [
        json!({"action": "resize", "height": 60_000, "width": 60_000}),
        json!({"action": "pad", "top": 60_000, "left": 60_000}),
        json!({"action": "warpAffine", "matrix": [1, 0, 0, 0, 1, 0], "height": 32_000, "width": 32_000}),
    ] {
        let error = run(&json!([stage]), image.view()).err();
        assert_eq!(error.map(|e| e.kind()), Some(ErrorKind::LimitExceeded), "{stage}");
    }
    Ok(())
}

#[test]
fn an_image_of_other_channels_is_told_in_plain_words() -> Result<()> {
    // HSV needs three channels.
    let message = run(&json!([{"action": "colorFormat", "code": "BGR2HSV"}]), numbers()?.view())
        .err()
        .map(|e| e.to_string())
        .unwrap_or_default();
    let expected = "colorFormat: BGR2HSV needs images of 3 channels (BGR) or 4 channels (BGRA), got 1 channel \
                    (gray); put colorFormat(\"bgr\") before it";
    assert_eq!(message, expected);
    Ok(())
}

#[test]
fn every_code_makes_the_channels_it_says() -> Result<()> {
    let bgr = sample_image(16, 16, 1)?;
    for number in 0..=200 {
        let Some(code) = ColorCode::from_code(number) else { continue };
        let ColorCode::Code(conversion) = code else { continue };
        for channels in conversion.takes() {
            let ops = [Op::Channels(*channels), Op::ColorFormat(code)];
            let result = apply_ops(bgr.view(), &ops, &DecodeOptions::default());
            let result = result.map_err(|e| mmlrs_core::Error::runtime(format!("{}: {e}", conversion.name)))?;
            assert_eq!(result.channels(), code.makes(), "{} of {channels} channels", conversion.name);
        }
    }
    Ok(())
}

#[test]
fn parse_errors_name_item_action_and_argument() {
    let cases = [
        (json!({"action": "resise"}), "unknown action `resise`"),
        (json!({"action": "normalize"}), "`normalize` must be the last operation"),
        (json!({"action": "resize"}), "either `height` and `width`, or `size`"),
        (json!({"action": "resize", "height": 3}), "either `height` and `width`, or `size`"),
        (json!({"action": "resize", "height": 3, "width": 3, "size": 3}), "either `height` and `width`, or `size`"),
        (json!({"action": "resize", "height": "a", "width": 3}), "argument `height` must be an integer"),
        (json!({"action": "resize", "height": 0, "width": 3}), "argument `height` must be an integer between 1"),
        (json!({"action": "resize", "height": 2.5, "width": 3}), "argument `height` must be an integer"),
        (json!({"action": "resize", "size": 3, "keepAspectRatio": 1}), "argument `keepAspectRatio` must be true"),
        (json!({"action": "resize", "size": 3, "interpolation": "magic"}), "argument `interpolation` must be one of"),
        (json!({"action": "crop", "x": 1, "y": 1, "height": 1}), "argument `width` is missing"),
        (json!({"action": "crop", "x": -1, "y": 1, "height": 1, "width": 1}), "argument `x` must be"),
        (json!({"action": "centerCrop", "height": 1, "width": 1, "x": 1}), "argument `x` does not exist"),
        (json!({"action": "colorFormat"}), "argument `code` is missing"),
        (json!({"action": "colorFormat", "code": "pink"}), "argument `code` must be a code of cv2.cvtColor"),
        (json!({"action": "blur", "height": 0, "width": 1}), "argument `height` must be"),
        (json!({"action": "threshold", "threshold": "a", "maxVal": 1}), "argument `threshold` must be a number"),
        (json!({"action": "threshold", "threshold": 1, "maxVal": 1, "type": 7}), "argument `type` must be 0 to 4"),
        (json!({"action": "gaussianKernel", "apertureSize": 4, "sigma": 1}), "`apertureSize` must be an odd integer"),
        (json!({"action": "gaussianKernel", "apertureSize": 3, "sigma": -1}), "`sigma` must be at least 0"),
        (json!({"action": "flip", "code": 2}), "argument `code` must be an integer between -1 and 1"),
        (json!({"action": "rotate"}), "argument `degrees` is missing; given: none"),
        (
            json!({"action": "erode", "hieght": 3}),
            "given: `hieght`; there is no argument `hieght`: did you mean `height`?",
        ),
        (
            json!({"action": "resize", "hieght": 3, "width": 2}),
            "keeps the ratio; there is no argument `hieght`: did you mean `height`?",
        ),
        (
            json!({"action": "crop", "x": 0, "y": 0, "width": 2, "heigth": 3}),
            "there is no argument `heigth`: did you mean `height`?",
        ),
        (
            json!({"action": "crop", "x": 0, "width": 2, "height": 3}),
            "argument `y` is missing; given: `height`, `width`, `x`",
        ),
        (json!({"action": "medianBlur", "apertureSize": 2}), "must be an odd integer"),
        (json!({"action": "bilateralFilter", "diameter": 3, "sigmaColor": 1}), "argument `sigmaSpace` is missing"),
        (json!({"action": "canny", "threshold1": 1, "threshold2": 2, "apertureSize": 4}), "must be 3, 5 or 7"),
        (json!({"action": "equalizeHist", "x": 1}), "takes no arguments"),
        (json!({"action": "warpAffine", "matrix": [1, 2]}), "a list of 6 numbers"),
        (json!({"action": "warpAffine"}), "argument `matrix` is missing"),
        (json!({"action": "warpAffine", "matrix": [1, 0, 0, 0, 1, 0], "width": 3}), "both `height` and `width`"),
        (json!({"action": "pad", "top": -1}), "argument `top` must be"),
        (json!({"action": "pad", "mode": "wrap"}), "argument `mode` must be one of"),
        (json!({"action": "pad", "value": []}), "argument `value` must be a number or a list"),
    ];
    for (stage, cause) in cases {
        let first = json!({"action": "flip", "code": 1});
        let error = parse(&json!([first, stage])).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(error.starts_with("param `stages` item 1"), "{stage}: {error}");
        assert!(error.contains(cause), "{stage}: {error}");
    }
}
