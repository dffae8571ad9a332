//! The extension module `mmlrs._native`: programs, descriptors, models and counters. No code here is specific to a stage.

mod arrow;
mod codec;
mod errors;
mod fit;
mod fork;
mod models;
mod program;
mod registry;
mod select;
mod stage;
mod training;

use pyo3::prelude::*;

/// Native core of mmlrs. Private: use the classes of the `mmlrs` package.
#[pymodule(name = "_native")]
mod native {
    #[pymodule_export]
    use crate::codec::{decode_to_tensor, encode_images, sample_image};
    #[pymodule_export]
    use crate::fit::Fit;
    #[pymodule_export]
    use crate::models::{
        Blob, blob_info, cache_info, clear_caches, file_sha256, get_blob, hold_blob, image_settings, model_info,
        network_of_weights, put_blob, sample_model, self_contained,
    };
    #[pymodule_export]
    use crate::program::Program;
    #[pymodule_export]
    use crate::registry::{counters, metrics, nearest, reset_counters, sample, stage_specs, versions};
    #[pymodule_export]
    use crate::select::take;
    #[pymodule_export]
    use crate::stage::{Plan, Stage};
    #[pymodule_export]
    use crate::training::{
        Listener, Trainer, check_gradients, initial_weights, network_file, network_info, network_of_state,
        network_part, read_network, time_products,
    };

    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::models::register_host();
        crate::fork::register(module)
    }
}
