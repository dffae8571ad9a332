//! An image is decoded once, however many steps follow. The test needs its own process, because the counters belong to the
//! process.

use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray};
use mmlrs_core::{Context, HandleInvalid, NativeColumn, Result, ThreadBudget, counters};
use mmlrs_image::{DecodeOptions, ImageColumn, Op, Step, TensorPrep, sample};

fn decodes() -> u64 {
    counters().iter().find(|(name, _)| *name == "image_decodes").map_or(0, |(_, count)| *count)
}

#[test]
fn an_image_is_decoded_once_and_only_when_needed() -> Result<()> {
    let cells = [sample::sample_bytes("jpeg", 200, 300, 1)?, sample::sample_bytes("png", 40, 30, 2)?];
    let array: ArrayRef = Arc::new(BinaryArray::from_iter_values(cells));
    let flip = |stage: &str| Step {
        stage: stage.to_owned(),
        column: "image".to_owned(),
        handle_invalid: HandleInvalid::Error,
        decode: DecodeOptions::default(),
        ops: vec![Op::Flip { code: 1 }],
        boxes: None,
    };
    let images = ImageColumn::from_array("image", &array, None)?.then(flip("A")).then(flip("B"));
    assert_eq!(decodes(), 0);
    images.materialize(&Context { threads: ThreadBudget::new(2) })?;
    assert_eq!(decodes(), 2);
    let prep = TensorPrep::new(8, 8);
    let mut out = vec![0.0; prep.len()];
    images.tensor_row(0, &prep, &mut out)??;
    assert_eq!(decodes(), 3);
    ImageColumn::from_array("image", &array, None)?.tensor_row(0, &prep, &mut out)??;
    assert_eq!(decodes(), 4);
    Ok(())
}
