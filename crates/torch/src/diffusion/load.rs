//! Loading the modules of a bundle onto a device.

use augtrial_augment::edit::{Bundle, BundleError, Part};
use tch::{CModule, Device, Kind};

/// Loads a module onto `device`, after its hash, and casts its weights to `cast_to` if it is given.
///
/// # Errors
/// As [`Bundle::checked_path`], or [`BundleError::Load`].
pub fn load(bundle: &Bundle, part: Part, device: Device, cast_to: Option<Kind>) -> Result<CModule, BundleError> {
    let path = bundle.checked_path(part)?;
    let failed = |source: tch::TchError| BundleError::Load { path: path.clone(), source: source.into() };
    let mut module = CModule::load_on_device(&path, device).map_err(failed)?;
    module.f_set_eval().map_err(failed)?;
    if let Some(kind) = cast_to {
        module.to(device, kind, false);
    }
    Ok(module)
}
