//! LibTorch behind the seams that the rest of the workspace knows.

use std::path::Path;

use augtrial_augment::edit::{BundleError, EditError, Editor, OpenEditor, Settings, Verification};
use augtrial_base::digest::Digest;
use augtrial_base::events::Observer;
use augtrial_plan::classifier::Device;
use augtrial_plan::networks::Architecture;
use augtrial_trial::{Engine, SeeRequest, Seen, Setup, TrainError, TrialOutcome, TrialSpec};

use crate::diffusion::{NativeEditor, verify};
use crate::train;

/// LibTorch, as it is linked into this process.
#[derive(Clone, Copy, Debug)]
pub struct LibTorch;

impl OpenEditor for LibTorch {
    fn open_editor(&self, folder: &Path, settings: Settings) -> Result<Box<dyn Editor>, EditError> {
        Ok(Box::new(NativeEditor::open(folder, settings)?))
    }
}

impl Engine for LibTorch {
    fn setup(&self, device: Device) -> Result<Setup, TrainError> {
        train::setup_of(device)
    }

    fn use_threads(&self, asked: Option<u32>) -> u32 {
        train::use_threads(asked)
    }

    fn use_deterministic_algorithms(&self, device: Device) -> Result<(), TrainError> {
        train::use_deterministic_algorithms(device)
    }

    fn train(&self, spec: &TrialSpec<'_>, observer: &mut dyn Observer) -> Result<TrialOutcome, TrainError> {
        train::run_trial(spec, observer)
    }

    fn keep_weights(&self, folder: &Path, key: Digest) -> Result<(), TrainError> {
        train::keep_weights(folder, key)
    }

    fn check_weights(&self, architecture: Architecture, file: &Path) -> Result<(), TrainError> {
        train::check_weights(architecture, file)
    }

    fn see(&self, request: &SeeRequest<'_>) -> Result<Seen, TrainError> {
        train::see(request)
    }

    fn verify_bundle(&self, folder: &Path) -> Result<Verification, BundleError> {
        verify(folder, tch::Device::Cpu)
    }
}
