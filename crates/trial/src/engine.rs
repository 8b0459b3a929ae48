//! Whatever trains trials and runs editors: the one seam between a study and LibTorch.

use std::path::{Path, PathBuf};

use augtrial_augment::edit::{BundleError, OpenEditor, Verification};
use augtrial_base::digest::Digest;
use augtrial_base::events::{EpochMetrics, Observer, Prediction, TestResult};
use augtrial_plan::classifier::{Classifier, Device};
use augtrial_plan::networks::Architecture;
use serde::{Deserialize, Serialize};

use crate::{SeeRequest, Seen, TrainError, TrialSpec};

/// Name of a trial's state in its run's folder.
pub const CHECKPOINT_FILE_NAME: &str = "checkpoint.safetensors";
/// Name of the file that a finished run keeps instead: the selected weights under torchvision's names.
pub const WEIGHTS_FILE_NAME: &str = "weights.safetensors";

/// Trains trials, opens editors, and says what it computes on.
pub trait Engine: OpenEditor {
    /// What trials on `device` run on; call it after [`begin`](Self::begin).
    ///
    /// # Errors
    /// [`TrainError::Device`].
    fn setup(&self, device: Device) -> Result<Setup, TrainError>;

    /// Sets the threads of CPU operations for the whole process, or as many as there are cores; returns their number. Call
    /// it before anything is computed: results are bit-identical for equal numbers of threads only.
    fn use_threads(&self, asked: Option<u32>) -> u32;

    /// Has every later operation of this process on `device` give the same bits each time, if it is a GPU: LibTorch's
    /// deterministic algorithms alone (`torch.use_deterministic_algorithms`). An operation that has none then fails.
    ///
    /// # Errors
    /// [`TrainError::Device`].
    fn use_deterministic_algorithms(&self, device: Device) -> Result<(), TrainError>;

    /// Both, as a classifier and its user ask for them, before anything is computed; returns the number of threads.
    ///
    /// # Errors
    /// [`TrainError::Device`].
    fn begin(&self, classifier: &Classifier, threads: Option<u32>) -> Result<u32, TrainError> {
        let threads = self.use_threads(threads);
        if classifier.deterministic {
            self.use_deterministic_algorithms(classifier.device)?;
        }
        Ok(threads)
    }

    /// Runs a trial, or the rest of it if `spec.folder` holds its checkpoint.
    ///
    /// Emits, in order: `Resumed` (only when continued), `Prepared`, `FeaturesComputed` (only when the head alone is to be
    /// trained), per epoch `Epoch` (training), `Epoch` (validation) and, if the rule has the state saved then,
    /// `Checkpointed`, then `Selected`, `TestOpened`, `Tested`, `Evaluated` for every further set, and `Cost`. `Started`, `Finished` and `Failed` are the
    /// caller's. Epochs that an earlier attempt reported beyond the epoch of `Resumed` are reported again, with equal values.
    ///
    /// # Errors
    /// [`TrainError::Interrupted`] when `spec.stop` is set, after saving the state; [`TrainError::NonFinite`] when the loss
    /// diverges; and whatever checks, checkpoint, observer or LibTorch report.
    fn train(&self, spec: &TrialSpec<'_>, observer: &mut dyn Observer) -> Result<TrialOutcome, TrainError>;

    /// Writes the weights that were selected beside the checkpoint of a trial that was trained to its end; the checkpoint
    /// stays until the run is recorded as finished. Does nothing if there is no checkpoint.
    ///
    /// # Errors
    /// [`TrainError::CheckpointDamaged`], [`TrainError::CheckpointForeign`] or [`TrainError::CheckpointIo`].
    fn keep_weights(&self, folder: &Path, key: Digest) -> Result<(), TrainError>;

    /// Whether the weights in `file` fit a network; its head may be for other classes.
    ///
    /// # Errors
    /// [`TrainError::PretrainedUnreadable`] or [`TrainError::PretrainedMisfit`].
    fn check_weights(&self, architecture: Architecture, file: &Path) -> Result<(), TrainError>;

    /// What a trained network sees in images: features, and probabilities where its head is for the classes.
    ///
    /// # Errors
    /// [`TrainError::Interrupted`] when `request.stop` is set; [`TrainError::PretrainedUnreadable`] or
    /// [`TrainError::PretrainedMisfit`] if the weights are not the network's; and whatever LibTorch reports.
    fn see(&self, request: &SeeRequest<'_>) -> Result<Seen, TrainError>;

    /// Files of a finished trial's folder that belong to its record.
    fn record_files(&self, _folder: &Path) -> Vec<&'static str> {
        vec![WEIGHTS_FILE_NAME]
    }

    /// Hashes every file of a model bundle, and then runs every network once, on the smallest picture it takes.
    ///
    /// # Errors
    /// [`BundleError`] of the first part that is not as the manifest says. No network is loaded before every hash holds.
    fn verify_bundle(&self, folder: &Path) -> Result<Verification, BundleError>;
}

/// What trials of this process run on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// Version of LibTorch that is loaded.
    pub libtorch: String,
    /// Folder of its libraries; empty without LibTorch, or where the system does not tell.
    pub folder: PathBuf,
    /// Device of the tensors, e.g. `cpu` or `cuda:0`.
    pub device: String,
    /// Why no GPU can be used, if none can.
    pub no_gpu: Option<String>,
    /// What the GPU is called, such as `NVIDIA H100 80GB HBM3`; absent on a CPU, and where its driver does not tell.
    pub gpu_name: Option<String>,
    /// Memory of the GPU that nothing uses; absent on a CPU.
    pub gpu_free_bytes: Option<u64>,
    /// Threads of one CPU operation.
    pub threads: u32,
    /// Which CPU kernels LibTorch chooses: `AVX512`, `AVX2` or `DEFAULT`.
    pub cpu_capability: String,
    /// Whether equal inputs give equal bits on this set-up.
    pub bit_identical: bool,
}

/// What a finished trial found.
#[derive(Clone, Debug, PartialEq)]
pub struct TrialOutcome {
    /// Counted from 1.
    pub selected_epoch: u32,
    pub test: TestResult,
    /// Per test image, in the set's order.
    pub predictions: Vec<Prediction>,
    /// The same of every further set, by name, in their order.
    pub further: Vec<(String, Vec<Prediction>)>,
    /// Digest of the selected epoch's parameters and running statistics.
    pub weights: Digest,
    /// Of every epoch: training, then validation. Complete also after a resumption.
    pub history: Vec<EpochMetrics>,
    /// Of every watched image, in the set's order: the epoch, counted from 1, from which on it is recognized to the end; 0 if it is
    /// not recognized at the end. Empty if none is watched.
    pub learned: Vec<u32>,
}
