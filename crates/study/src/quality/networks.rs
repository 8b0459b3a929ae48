//! The networks that look: the control's, each at images that it was not trained on, or one that was given. What they see is kept by
//! digest.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::gather::Gathered;
use super::{FeatureChoice, QualityError};
use crate::data::Division;
use crate::prepared::{Draws, Prepared};
use crate::results::ArmSeed;
use crate::{Context, StudyError};
use augtrial_base::digest::Digest;
use augtrial_base::events::Split;
use augtrial_data::pixels::PixelStore;
use augtrial_data::samples::{EvaluationSet, Sample};
use augtrial_plan::arm::Role;
use augtrial_plan::classifier::Precision;
use augtrial_plan::networks::NetworkFile;
use augtrial_quality::{ArmSeen, Features, NetworkView, Stored, read_stored, write_stored};
use augtrial_registry::Registry;
use augtrial_trial::{InputSize, SeeRequest, Seer, TrainError, WEIGHTS_FILE_NAME};

/// Raised when the same network would see the same images otherwise.
const FORMAT: &str = "quality-features-v1";
/// Size that networks of the table are shown images at: ImageNet's.
const TABLE_PX: u32 = 224;
/// Threads that prepare batches.
const WORKERS: usize = 1;

/// A network that can look at images.
pub struct Looker<'a> {
    pub(crate) name: String,
    pub(super) digest: Digest,
    seen_by: SeenBy,
    classes: Option<usize>,
    input: InputSize,
    eval_resize_px: Option<u32>,
    precision: Precision,
    context: &'a Context<'a>,
    device: augtrial_plan::classifier::Device,
}

enum SeenBy {
    Table { row: &'static augtrial_plan::networks::Network, weights: PathBuf },
    File { file: Box<NetworkFile>, weights: Option<PathBuf> },
}

/// A network of the control, and what it was trained on.
pub(super) struct ControlNetwork<'a> {
    /// Of the study's trial; none of a network that was cross-fitted.
    pub(super) seed: Option<u64>,
    pub(super) looker: Looker<'a>,
    trained_on: BTreeSet<Digest>,
}

impl ControlNetwork<'_> {
    pub(super) fn was_held_out_of(&self, source: Digest) -> bool {
        !self.trained_on.contains(&source)
    }
}

/// The networks of the control's runs that count, or why there is none.
pub(super) fn of_control<'a>(
    draws: &Draws<'a>,
    registry: &Registry,
    cells: &[ArmSeed<'_>],
) -> Result<Result<Vec<ControlNetwork<'a>>, String>, StudyError> {
    let (plan, context) = (draws.plan, draws.context);
    if plan.classifier.command.is_some() {
        return Ok(Err("a command trains the control, and its weights are the command's own".to_owned()));
    }
    let control = plan.arms.iter().find(|arm| arm.role == Role::Control);
    let Some(control) = control else { return Ok(Err("no arm of the study is a control".to_owned())) };
    let mut networks = Vec::new();
    for cell in cells.iter().filter(|cell| cell.arm == control.name) {
        let Some(run) = &cell.state.counted else { continue };
        let weights = registry.folders().path(run.run).join(WEIGHTS_FILE_NAME);
        if !weights.is_file() {
            continue;
        }
        registry.verify(run.run)?;
        let prepared = draws.of(cell.seed)?;
        let Division::BySource(partition) = &prepared.data.division else { continue };
        let trained_on = partition.train.sources().iter().map(|image| image.digest).collect();
        let digest = Digest::of_file(&weights).map_err(|source| StudyError::Read { path: weights.clone(), source })?;
        let name = format!("{}, seed {}", control.name, cell.seed);
        let looker = Looker::of_run(plan, name, (weights, digest), prepared.data.manifest.classes.len(), context)?;
        networks.push(ControlNetwork { seed: Some(cell.seed), looker, trained_on });
    }
    networks.extend(cross_fitted(draws.first())?);
    if networks.is_empty() {
        return Ok(Err(format!("no finished run of {} has kept its weights", control.name)));
    }
    Ok(Ok(networks))
}

/// The networks that were cross-fitted for the study, where they have been.
fn cross_fitted<'a>(prepared: &Prepared<'a>) -> Result<Vec<ControlNetwork<'a>>, StudyError> {
    let fitted = match prepared.cross_fit() {
        Ok(fitted) => fitted,
        Err(StudyError::NotFitted { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let classes = prepared.data.manifest.classes.len();
    let network = |fold| {
        let looker = fitted.looker(fold, classes, prepared.context)?;
        Ok(ControlNetwork { seed: None, looker, trained_on: fold.trained_on.clone() })
    };
    fitted.folds.iter().map(network).collect()
}

impl<'a> Looker<'a> {
    /// The network that a run of this plan left: the file of its weights, and their digest.
    pub(crate) fn of_run(
        plan: &augtrial_plan::Plan,
        name: String,
        (weights, digest): (PathBuf, Digest),
        classes: usize,
        context: &'a Context<'a>,
    ) -> Result<Self, StudyError> {
        let seen_by = match plan.network_file()? {
            Some(file) => SeenBy::File { file: Box::new(file), weights: Some(weights) },
            None => SeenBy::Table { row: plan.classifier.row().expect("a network of the table"), weights },
        };
        let (width_px, height_px) = plan.input_px();
        Ok(Self {
            name,
            digest,
            seen_by,
            classes: Some(classes),
            input: InputSize { width_px, height_px },
            eval_resize_px: plan.classifier.input.eval_resize_px,
            precision: plan.classifier.precision,
            context,
            device: plan.classifier.device,
        })
    }

    /// The network that was asked for; nothing for the control's own.
    pub(crate) fn given(
        choice: &FeatureChoice,
        plan: &augtrial_plan::Plan,
        context: &'a Context<'a>,
    ) -> Result<Option<Self>, StudyError> {
        let new = |name, digest, seen_by, (width_px, height_px)| Self {
            name,
            digest,
            seen_by,
            classes: None,
            input: InputSize { width_px, height_px },
            eval_resize_px: None,
            precision: Precision::Fp32,
            context,
            device: plan.classifier.device,
        };
        Ok(match choice {
            FeatureChoice::Control => None,
            FeatureChoice::Table { row, weights } => {
                let digest =
                    Digest::of_file(weights).map_err(|source| StudyError::Read { path: weights.clone(), source })?;
                let seen_by = SeenBy::Table { row, weights: weights.clone() };
                Some(new(row.name.to_owned(), digest, seen_by, (TABLE_PX, TABLE_PX)))
            }
            FeatureChoice::Bundle(folder) => {
                let file = NetworkFile::open(folder)?;
                let input = &file.manifest().input;
                let (name, size) = (file.manifest().source.name.clone(), (input.width_px, input.height_px));
                Some(new(name, file.digest(), SeenBy::File { file: Box::new(file), weights: None }, size))
            }
        })
    }

    /// What it sees in these images, from the folder of features if it is there.
    pub(crate) fn see(&self, pixels: &PixelStore, samples: Vec<Sample>) -> Result<Stored, StudyError> {
        let set = EvaluationSet::new(Split::Test, samples, pixels.clone());
        let folder = features_folder(self.context);
        let name = self.key(&set);
        if let Some(stored) = read_stored(&folder, &name) {
            return Ok(stored);
        }
        let stored = self.look(&set)?;
        write_stored(&folder, &name, &stored).map_err(QualityError::from)?;
        Ok(stored)
    }

    /// The same, and nothing is kept.
    pub(super) fn look(&self, set: &EvaluationSet) -> Result<Stored, StudyError> {
        self.context.check_stop()?;
        let request = SeeRequest {
            seer: match &self.seen_by {
                SeenBy::Table { row, weights } => Seer::Table { row, weights },
                SeenBy::File { file, weights } => Seer::File { file, weights: weights.as_deref() },
            },
            classes: self.classes,
            images: set,
            input: self.input,
            eval_resize_px: self.eval_resize_px,
            precision: self.precision,
            device: self.device,
            workers: WORKERS,
            stop: self.context.stop,
        };
        let stage = self.context.progress.stage(format!("look with {}", self.name), 0, "images");
        let seen = self.context.engine()?.see(&request);
        drop(stage);
        let seen = seen.map_err(|error| match error {
            TrainError::Interrupted { .. } => StudyError::Interrupted,
            source => QualityError::Network { name: self.name.clone(), source: Box::new(source) }.into(),
        })?;
        Ok(Stored {
            width: seen.width,
            features: seen.features,
            classes: self.classes.unwrap_or(0),
            probabilities: seen.probabilities,
        })
    }

    /// Everything that decides what it sees.
    fn key(&self, set: &EvaluationSet) -> Digest {
        let images: Vec<(Digest, bool)> = set.samples().iter().map(|sample| (sample.image, sample.derived)).collect();
        let size = (self.input.width_px, self.input.height_px, self.eval_resize_px);
        let stored = (set.pixels().width_px(), set.pixels().height_px());
        let kind = match &self.seen_by {
            SeenBy::Table { row, .. } => row.name.to_owned(),
            SeenBy::File { file, .. } => file.digest().to_string(),
        };
        let network = (kind, self.digest, self.classes, self.precision, self.device.to_string());
        Digest::of_value(FORMAT, &(network, size, stored, images))
    }

    /// Checked features.
    pub(crate) fn features(&self, width: usize, values: Vec<f32>) -> Result<Features, StudyError> {
        let features = Features::new(width.max(1), values);
        Ok(features.map_err(|source| QualityError::Features { name: self.name.clone(), source })?)
    }
}

/// Where what networks see is kept.
pub(super) fn features_folder(context: &Context<'_>) -> PathBuf {
    let runs: &Path = &context.workspace.runs;
    runs.join("quality")
}

/// The images that `wanted` names by their source as a network sees them; nothing if there is no real one. Probabilities are added
/// to `sums`, where they are asked for.
pub(super) fn view(
    looker: &Looker<'_>,
    gathered: &Gathered,
    wanted: impl Fn(Digest) -> bool,
    sums: Option<&mut Sums>,
) -> Result<Option<NetworkView>, StudyError> {
    let real: Vec<usize> =
        (0..gathered.real.len()).filter(|&position| wanted(gathered.real[position].digest)).collect();
    if real.is_empty() {
        return Ok(None);
    }
    let of_arm = |arm: usize| -> Vec<usize> {
        let images = &gathered.arms[arm].images;
        (0..images.len()).filter(|&position| wanted(images[position].source)).collect()
    };
    let arms: Vec<Vec<usize>> = (0..gathered.arms.len()).map(of_arm).collect();
    let seen_real =
        looker.see(&gathered.pixels, real.iter().map(|&position| gathered.sample_of_real(position)).collect())?;
    let width = seen_real.width;
    let mut views = Vec::new();
    let mut of_arms = Vec::new();
    for (arm, images) in arms.into_iter().enumerate() {
        let samples: Vec<Sample> = images.iter().map(|&position| gathered.sample_of(arm, position)).collect();
        let seen = if samples.is_empty() {
            Stored { width, features: Vec::new(), classes: 0, probabilities: Vec::new() }
        } else {
            looker.see(&gathered.pixels, samples)?
        };
        views.push(ArmSeen { features: looker.features(width, seen.features)?, images });
        of_arms.push(seen.probabilities);
    }
    if let Some(sums) = sums {
        sums.add(&seen_real.probabilities, &real, None);
        for (arm, (probabilities, view)) in of_arms.iter().zip(&views).enumerate() {
            sums.add(probabilities, &view.images, Some(arm));
        }
    }
    Ok(Some(NetworkView { real, real_features: looker.features(width, seen_real.features)?, arms: views }))
}

/// Probabilities of several networks, to be averaged.
pub(super) struct Sums {
    classes: usize,
    real: Vec<(Vec<f64>, u32)>,
    arms: Vec<Vec<(Vec<f64>, u32)>>,
}

impl Sums {
    pub(super) fn new(gathered: &Gathered, classes: usize) -> Self {
        let none = |count: usize| vec![(Vec::new(), 0); count];
        let arms = gathered.arms.iter().map(|arm| none(arm.images.len())).collect();
        Self { classes, real: none(gathered.real.len()), arms }
    }

    fn add(&mut self, probabilities: &[f32], positions: &[usize], arm: Option<usize>) {
        let images = match arm {
            None => &mut self.real,
            Some(arm) => &mut self.arms[arm],
        };
        for (row, &position) in probabilities.chunks_exact(self.classes).zip(positions) {
            let (sum, count) = &mut images[position];
            sum.resize(self.classes, 0.0);
            sum.iter_mut().zip(row).for_each(|(sum, &p)| *sum += f64::from(p));
            *count += 1;
        }
    }

    /// Gives every image the mean of what was said of it. Says how many networks spoke of an image at most.
    pub(super) fn give(self, gathered: &mut Gathered) -> u32 {
        let mean = |(sum, count): (Vec<f64>, u32)| -> Option<Vec<f32>> {
            (count > 0).then(|| sum.iter().map(|sum| (sum / f64::from(count)) as f32).collect())
        };
        let most = self.real.iter().map(|(_, count)| *count).max().unwrap_or(0);
        for (image, sum) in gathered.real.iter_mut().zip(self.real) {
            image.probabilities = mean(sum);
        }
        for (arm, sums) in gathered.arms.iter_mut().zip(self.arms) {
            for (image, sum) in arm.images.iter_mut().zip(sums) {
                image.probabilities = mean(sum);
            }
        }
        most
    }
}
