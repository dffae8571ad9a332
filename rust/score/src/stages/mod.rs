//! The stages.

mmlrs_core::stages! {
    compiled_step: transform CompiledStep;
}
