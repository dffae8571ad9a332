//! Milliseconds per image from JPEG bytes to a 224 x 224 tensor, on one thread: `decode_speed FILE...`.

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::{ArrayRef, BinaryArray};
use mmlrs_image::{ImageColumn, TensorPrep};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut prep = TensorPrep::new(224, 224);
    prep.scale = 1.0 / 255.0;
    prep.mean = vec![0.485, 0.456, 0.406];
    prep.std = vec![0.229, 0.224, 0.225];
    let mut out = vec![0.0; prep.len()];
    for path in std::env::args().skip(1) {
        let bytes = std::fs::read(&path)?;
        let array: ArrayRef = Arc::new(BinaryArray::from_vec(vec![bytes.as_slice()]));
        let images = ImageColumn::from_array("image", &array, None)?;
        let mut times: Vec<f64> = Vec::new();
        for _ in 0..200 {
            let start = Instant::now();
            images.tensor_row(0, &prep, &mut out)??;
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        let (median, best) = (times[times.len() / 2], times[0]);
        writeln!(std::io::stdout(), "{path}: median {median:.3} ms, best {best:.3} ms")?;
    }
    Ok(())
}
