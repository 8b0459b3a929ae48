//! Loading the modules of a bundle onto a device.

use augtrial_augment::edit::{Bundle, BundleError, Part};
use tch::{Device, Kind};

use crate::script::Module;

/// Loads a module onto `device`, after its hash, and casts its weights to `cast_to` if it is given.
///
/// # Errors
/// As [`Bundle::checked_path`], or [`BundleError::Load`].
pub fn load(bundle: &Bundle, part: Part, device: Device, cast_to: Option<Kind>) -> Result<Module, BundleError> {
    let path = bundle.checked_path(part)?;
    let failed = |source: tch::TchError| BundleError::Load { path: path.clone(), source: source.into() };
    let module = Module::load(&path, device).map_err(failed)?;
    module.evaluate().map_err(failed)?;
    if let Some(kind) = cast_to {
        module.cast(kind).map_err(failed)?;
    }
    Ok(module)
}
