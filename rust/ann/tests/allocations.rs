//! The layers allocate nothing in a pass: all memory is the workspace's.

#![expect(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use mmlrs_ann::optimizers::{Adam, Sgd};
use mmlrs_ann::{Description, Mode, Rows, Targets};
use mmlrs_core::Result;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: the calls go to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// All kinds of layers but those that multiply matrices: the crate `gemm` allocates while it packs them.
const LAYERS: &str = r#"
    {"kind":"depthwise","kernel":[3,3],"padding":"same"},{"kind":"relu"},{"kind":"batch_normalization"},{"kind":"gelu"},
    {"kind":"residual","layers":[{"kind":"sigmoid"},{"kind":"depthwise","kernel":[3,3],"padding":"same"},
        {"kind":"residual","layers":[{"kind":"tanh"}]}]},
    {"kind":"max_pooling","kernel":[2,2],"stride":[1,1]},{"kind":"softmax"},{"kind":"dropout","rate":0.3},
    {"kind":"average_pooling","kernel":[2,2],"stride":[1,1],"padding":"same"},
    {"kind":"residual","layers":[{"kind":"softmax"}]},{"kind":"global_pooling"},{"kind":"tanh"}"#;

#[test]
fn a_step_allocates_nothing() -> Result<()> {
    for loss in [r#"{"kind":"cross_entropy","smoothing":0.1}"#, r#"{"kind":"sigmoid_cross_entropy"}"#] {
        let text = format!(r#"{{"version":1,"input":[9,9,5],"layers":[{LAYERS}],"loss":{loss}}}"#);
        let network = Description::parse(&text)?.network()?;
        let (mut parameters, mut workspace) = (network.initial(1), network.workspace(4));
        let mut gradient = vec![0.0; parameters.len()];
        let (mut adam, mut sgd) = (Adam::new(parameters.len()), Sgd::new(parameters.len(), 0.9, true));
        let (x, values) = (vec![0.5; 4 * 405], vec![1.0; 20]);
        let mut counts = Vec::with_capacity(4);
        // The last batch is short.
        for rows in [4, 4, 3] {
            let before = COUNT.get();
            let classes = &[1, 0, 4, 2][..rows];
            let is_classes = loss.contains("smoothing");
            let targets = if is_classes { Targets::Classes(classes) } else { Targets::Values(&values[..5 * rows]) };
            let mode = Mode::Training { seed: 3 };
            let batch = Rows { x: &x[..405 * rows], targets, weights: None, mode, scale: 0.25 };
            network.gradient(&parameters, &batch, &mut gradient, &mut workspace)?;
            adam.step(&mut parameters, &gradient, 1e-3);
            sgd.step(&mut parameters, &gradient, 1e-3);
            network.settle(&mut parameters, &gradient);
            network.forward(&parameters, &x, Mode::Scoring, &mut workspace)?;
            counts.push(COUNT.get() - before);
        }
        assert_eq!(counts, [0; 3]);
        assert!(gradient.iter().all(|slope| slope.is_finite()) && gradient.iter().any(|slope| *slope != 0.0));
    }
    Ok(())
}
