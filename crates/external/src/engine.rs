//! The engine that trains by a command. Editors are opened by another engine, where there is one.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::conversation::Conversation;
use crate::{LOG_FILE_NAME, TRAINER_FILE_NAME, WEIGHTS_FILE_NAME};
use augtrial_augment::edit::{BundleError, EditError, Editor, OpenEditor, Settings, Verification};
use augtrial_base::digest::Digest;
use augtrial_base::events::Observer;
use augtrial_plan::classifier::Device;
use augtrial_plan::networks::Architecture;
use augtrial_trial::{Engine, SeeRequest, Seen, Setup, TrainError, TrialOutcome, TrialSpec};

/// Trains by the command that the classifier of a trial names.
pub struct External<'a> {
    /// Opens editors; nobody does if absent.
    editors: Option<&'a dyn Engine>,
    threads: AtomicU32,
}

impl<'a> External<'a> {
    /// Beside the engine of this process, which opens editors.
    #[must_use]
    pub fn beside(editors: Option<&'a dyn Engine>) -> Self {
        Self { editors, threads: AtomicU32::new(1) }
    }
}

/// What this process lacks, where it would have to open a bundle.
fn no_libtorch(folder: &Path) -> BundleError {
    BundleError::Unable { folder: folder.to_owned(), wanted: "be opened by a program without LibTorch" }
}

impl OpenEditor for External<'_> {
    fn open_editor(&self, folder: &Path, settings: Settings) -> Result<Box<dyn Editor>, EditError> {
        match self.editors {
            Some(editors) => editors.open_editor(folder, settings),
            None => Err(no_libtorch(folder).into()),
        }
    }
}

impl Engine for External<'_> {
    fn setup(&self, device: Device) -> Result<Setup, TrainError> {
        Ok(Setup {
            libtorch: "none".to_owned(),
            folder: PathBuf::new(),
            device: device.to_string(),
            no_gpu: None,
            gpu_name: None,
            gpu_free_bytes: None,
            threads: self.threads.load(Ordering::Relaxed),
            cpu_capability: "unknown".to_owned(),
            bit_identical: false,
        })
    }

    fn use_threads(&self, asked: Option<u32>) -> u32 {
        let cores = || std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
        let threads = asked.unwrap_or_else(cores);
        self.threads.store(threads, Ordering::Relaxed);
        // Editors of this process compute on as many.
        self.editors.map(|editors| editors.use_threads(Some(threads)));
        threads
    }

    /// A trainer rules its own algorithms; only editors are LibTorch's.
    fn use_deterministic_algorithms(&self, device: Device) -> Result<(), TrainError> {
        self.editors.map_or(Ok(()), |editors| editors.use_deterministic_algorithms(device))
    }

    /// As [`Engine::train`], without `FeaturesComputed`. A trainer that cannot continue begins again after an interruption.
    fn train(&self, spec: &TrialSpec<'_>, observer: &mut dyn Observer) -> Result<TrialOutcome, TrainError> {
        let command = spec.classifier.command.as_ref().expect("a study with a command is trained by it");
        let threads = self.threads.load(Ordering::Relaxed);
        Conversation::begin(spec, command, threads, observer)?.lead(observer)
    }

    /// Whatever the trainer kept is where it belongs.
    fn keep_weights(&self, _folder: &Path, _key: Digest) -> Result<(), TrainError> {
        Ok(())
    }

    fn record_files(&self, folder: &Path) -> Vec<&'static str> {
        let names = [TRAINER_FILE_NAME, LOG_FILE_NAME, WEIGHTS_FILE_NAME];
        names.into_iter().filter(|name| folder.join(name).is_file()).collect()
    }

    /// What a command starts from is its own affair: a plan cannot name weights beside it.
    fn check_weights(&self, _architecture: Architecture, _file: &Path) -> Result<(), TrainError> {
        Ok(())
    }

    fn see(&self, request: &SeeRequest<'_>) -> Result<Seen, TrainError> {
        self.editors.map_or(Err(TrainError::NoNetworks), |engine| engine.see(request))
    }

    fn verify_bundle(&self, folder: &Path) -> Result<Verification, BundleError> {
        self.editors.map_or_else(|| Err(no_libtorch(folder)), |editors| editors.verify_bundle(folder))
    }
}
