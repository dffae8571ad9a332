use std::time::Instant;
use mmlrs_core::*; use mmlrs_model::*; use serde_json::json;
fn main() -> Result<()> {
    let dir = std::env::args().nth(1).unwrap();
    let rows: u32 = std::env::args().nth(2).and_then(|a| a.parse().ok()).unwrap_or(4);
    let threads: usize = std::env::args().nth(3).and_then(|a| a.parse().ok()).unwrap_or(1);
    let only = std::env::args().nth(4);
    for f in std::fs::read_dir(dir).unwrap().flatten() {
        let p = f.path(); if p.extension().is_none_or(|e| e != "onnx") { continue }
        if only.as_ref().is_some_and(|o| !p.display().to_string().contains(o)) { continue }
        let src = ModelSource::Path(p.clone());
        let t = Instant::now();
        let pr = prepare(&src, &[])?;
        println!("{} {:?} {:?} prep {:.2}s", p.file_name().unwrap().to_string_lossy(), pr.batch, pr.notes, t.elapsed().as_secs_f64());
        let data = mmlrs_image::testing::binary_batch("image", rows, 480, 640);
        let block = Block::new(rows as usize, vec![("image".into(), Column::arrow(data.column(0).clone()))])?;
        let params = json!({"model": {"path": p}, "outputCol":"f"});
        let st = ImageFeaturizer::from_params(&ParamMap::new("m", Sample::new(params, data.clone()).params))?;
        let t = Instant::now();
        match st.output_fields(&block.schema()) { Ok(f) => println!("   {} plan {:.2}s", f[0].data_type(), t.elapsed().as_secs_f64()), Err(e) => { println!("   ERR {e}"); continue } }
        let cx = Context { threads: ThreadBudget::new(threads) };
        let t = Instant::now(); let o = st.transform(&block, &cx)?; println!("   first {:.2}s", t.elapsed().as_secs_f64());
        let t = Instant::now(); st.transform(&block, &cx)?; println!("   run {:.3}s = {:.1} img/s, invalid {}", t.elapsed().as_secs_f64(), rows as f64 / t.elapsed().as_secs_f64(), o.invalid.len());
    }
    println!("{:?} {:?} {:?}", counters(), runtime_version()?, available_providers()?);
    Ok(())
}
