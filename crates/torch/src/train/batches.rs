//! Training batches: order of a pass, online transforms, normalized pixels, mixing.
//!
//! Every random number has a named stream: the order of a pass depends on the trial's seed and the pass, a sample's
//! transform on recipe, seed, pass and the sample's position in the set. So a batch is a function of its update alone.

use std::sync::Arc;

use image::RgbImage;
use rand::RngExt as _;
use rand::seq::SliceRandom as _;
use tch::{Device, TchError, Tensor};

use super::aten::page_locked;
use super::failure::Failure;
use super::made::TrainingFeatures;
use augtrial_augment::{Augmenter as _, Batch, Mixer, Pipeline};
use augtrial_base::digest::Digest;
use augtrial_base::seed::{Purpose, Stream, StudySeed};
use augtrial_data::cache::CacheError;
use augtrial_data::samples::{Sample, TrainingSet};
use augtrial_plan::transform::HiddenMix;
use augtrial_trial::preprocess::{CHANNELS, Fit, InputSize, Normalization, Preprocessor};
use augtrial_trial::timetable::{Slice, Timetable};

/// A batch in main memory.
#[derive(Clone, Debug, PartialEq)]
pub struct HostBatch {
    pub size: InputSize,
    /// `[N, H, W, 3]`, normalized: the order in memory of channels-last tensors, which training reads.
    pub pixels: Vec<f32>,
    pub targets: Targets,
    /// What the network is to mix itself.
    pub hidden: Option<HiddenMix>,
}

/// What the scores are compared with.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets {
    /// `[N]`, indices of classes.
    Labels(Vec<i64>),
    /// `[N, classes]`, shares of classes; only when batches are mixed.
    Soft { shares: Vec<f32>, classes: usize },
}

impl HostBatch {
    /// Number of images, `N`.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.pixels.len() / self.size.values()
    }

    /// The batch as tensors, still in main memory but ready to be moved to `device`. Made by the worker that made the batch.
    ///
    /// # Errors
    /// Whatever LibTorch reports, such as memory running out.
    pub fn stage(&self, device: Device) -> Result<StagedBatch, TchError> {
        let targets = match &self.targets {
            Targets::Labels(labels) => Tensor::f_from_slice(labels)?,
            Targets::Soft { shares, classes } => Tensor::f_from_slice(shares)?.f_view([-1, *classes as i64])?,
        };
        let staged = StagedBatch::new(&Input::Images(self.images()?), &targets, device)?;
        Ok(StagedBatch { hidden: self.hidden.clone(), ..staged })
    }

    /// The images alone, `[N, 3, H, W]`, channels-last, in main memory.
    ///
    /// # Errors
    /// Whatever LibTorch reports, such as memory running out.
    pub fn images(&self) -> Result<Tensor, TchError> {
        let InputSize { width_px, height_px } = self.size;
        let rows = [self.samples() as i64, i64::from(height_px), i64::from(width_px), CHANNELS as i64];
        Tensor::f_from_slice(&self.pixels)?.f_view(rows)?.f_permute([0, 3, 1, 2])
    }

    /// The class of each sample; of a mixed one the class of the largest share, of equals the first.
    #[must_use]
    pub fn labels(&self) -> Vec<usize> {
        match &self.targets {
            Targets::Labels(labels) => labels.iter().map(|&label| label as usize).collect(),
            Targets::Soft { shares, classes } => shares.chunks_exact(*classes).map(first_of_largest).collect(),
        }
    }
}

/// What a network, or its head, is shown.
#[derive(Debug)]
pub enum Input {
    /// `[N, 3, H, W]`, f32, normalized, channels-last.
    Images(Tensor),
    /// What a fixed trunk made of images: `[N, F]`, f32.
    Features(Tensor),
}

impl Input {
    fn map(&self, change: impl FnOnce(&Tensor) -> Result<Tensor, TchError>) -> Result<Self, TchError> {
        match self {
            Self::Images(images) => Ok(Self::Images(change(images)?)),
            Self::Features(features) => Ok(Self::Features(change(features)?)),
        }
    }
}

/// A batch as tensors in main memory.
#[derive(Debug)]
pub struct StagedBatch {
    input: Input,
    /// `[N]` i64, or `[N, classes]` f32 if mixed.
    targets: Tensor,
    pub samples: usize,
    /// What the network is to mix itself.
    pub hidden: Option<HiddenMix>,
}

impl StagedBatch {
    fn new(input: &Input, targets: &Tensor, device: Device) -> Result<Self, TchError> {
        let samples = targets.size()[0] as usize;
        let (input, targets) = (input.map(|tensor| pinned(tensor, device))?, pinned(targets, device)?);
        Ok(Self { input, targets, samples, hidden: None })
    }

    /// Input and targets on `device`. On CUDA the copy runs beside the host.
    ///
    /// # Errors
    /// Whatever LibTorch reports, such as memory running out.
    pub fn upload(&self, device: Device) -> Result<(Input, Tensor), TchError> {
        Ok((self.input.map(|tensor| moved(tensor, device))?, moved(&self.targets, device)?))
    }
}

/// A tensor that can be copied to `device` while the host goes on: a GPU wants page-locked memory for that.
pub fn pinned(tensor: &Tensor, device: Device) -> Result<Tensor, TchError> {
    if device.is_cuda() { page_locked(tensor) } else { Ok(tensor.shallow_clone()) }
}

/// A tensor on `device`, in the layout that it has.
pub fn moved(tensor: &Tensor, device: Device) -> Result<Tensor, TchError> {
    tensor.f_to_device_(device, tensor.kind(), true, false)
}

/// Index of the largest value; of equals, the first.
#[must_use]
pub fn first_of_largest(values: &[f32]) -> usize {
    let larger = |best: usize, index: usize| if values[index] > values[best] { index } else { best };
    (0..values.len()).reduce(larger).unwrap_or(0)
}

/// Where the batches of a trial come from.
pub struct TrainingBatches<'a> {
    pub set: &'a TrainingSet,
    pub timetable: Timetable,
    pub input: InputSize,
    pub normalization: Normalization,
    pub classes: usize,
    pub transforms: &'a Pipeline,
    pub mix: Option<&'a Mixer>,
    pub study_seed: StudySeed,
    pub seed: u64,
    pub recipe: Digest,
    /// Features of every sample, which then stand for the images.
    pub features: Option<Arc<TrainingFeatures>>,
}

impl<'a> TrainingBatches<'a> {
    /// A function from update to batch, ready to be moved to `device`.
    pub fn stager(&'a self, device: Device) -> Box<dyn FnMut(u64) -> Result<StagedBatch, Failure> + Send + 'a> {
        let Some(features) = &self.features else {
            let mut assemble = self.assembler();
            return Box::new(move |update| Ok(assemble(update)?.stage(device)?));
        };
        let mut visit = self.visits();
        Box::new(move |update| {
            let (slice, positions) = visit(update);
            let labels = Tensor::f_from_slice(&self.labels(&positions))?;
            let rows = features.rows(&positions, |position| self.online(position, slice.pass))?;
            Ok(StagedBatch::new(&Input::Features(rows), &labels, device)?)
        })
    }

    /// A function from the number of a batch to its images, in the set's order, as the first pass transforms them and
    /// without mixing: [`Input::Images`] ready to be moved to `device`.
    pub fn images_in_order(&'a self, device: Device) -> impl FnMut(u64) -> Result<Tensor, Failure> + Send + 'a {
        let mut preprocessor = Preprocessor::new(Fit::whole(self.input), self.normalization);
        move |number| {
            let slice = self.timetable.slice(number);
            let positions: Vec<usize> = slice.positions.collect();
            Ok(pinned(&self.assembled(&mut preprocessor, &positions, slice.pass)?.images()?, device)?)
        }
    }

    /// A function from update to batch, with buffers of its own. Fails where the pixels of an image cannot be had.
    pub fn assembler(&'a self) -> impl FnMut(u64) -> Result<HostBatch, CacheError> + Send + 'a {
        let mut preprocessor = Preprocessor::new(Fit::whole(self.input), self.normalization);
        let mut visit = self.visits();
        move |update| {
            let (slice, positions) = visit(update);
            let batch = self.assembled(&mut preprocessor, &positions, slice.pass)?;
            Ok(match self.mix {
                None => batch,
                Some(mix) => self.mixed(batch, mix, slice.pass, slice.batch),
            })
        }
    }

    /// A function from update to the samples that it visits.
    fn visits(&'a self) -> impl FnMut(u64) -> (Slice, Vec<usize>) + Send + 'a {
        let mut order = (0, self.order(0));
        move |update| {
            let slice = self.timetable.slice(update);
            if order.0 != slice.pass {
                order = (slice.pass, self.order(slice.pass));
            }
            let positions = order.1[slice.positions.clone()].to_vec();
            (slice, positions)
        }
    }

    fn assembled(
        &self,
        preprocessor: &mut Preprocessor,
        positions: &[usize],
        pass: u64,
    ) -> Result<HostBatch, CacheError> {
        let mut pixels = vec![0.0; positions.len() * self.input.values()];
        for (&position, place) in positions.iter().zip(pixels.chunks_exact_mut(self.input.values())) {
            let image = self.transformed(position, pass)?;
            let size = InputSize { width_px: image.width(), height_px: image.height() };
            preprocessor.write(size, image.as_raw(), place);
        }
        Ok(HostBatch { size: self.input, pixels, targets: Targets::Labels(self.labels(positions)), hidden: None })
    }

    fn labels(&self, positions: &[usize]) -> Vec<i64> {
        let images = self.set.samples();
        let label = |&position: &usize| match (images.get(position), &self.features) {
            (None, Some(features)) => i64::from(features.added_label(position, images.len())),
            _ => i64::from(images[position].label),
        };
        positions.iter().map(label).collect()
    }

    /// The shuffled positions of one pass; where samples are drawn by class, as many, each class equally often.
    fn order(&self, pass: u64) -> Vec<usize> {
        let samples = self.features.as_ref().map_or(self.set.samples().len(), |features| features.samples());
        let mut rng = self.study_seed.stream(Purpose::Shuffle { seed: self.seed, pass }, 0);
        if self.set.is_drawn_by_class() {
            let mut classes = vec![Vec::new(); self.classes];
            (0..samples).for_each(|position| classes[self.set.samples()[position].label as usize].push(position));
            classes.retain(|members| !members.is_empty());
            let drawn = |_| {
                let members = &classes[rng.random_range(0..classes.len())];
                members[rng.random_range(0..members.len())]
            };
            return (0..samples).map(drawn).collect();
        }
        let mut order: Vec<usize> = (0..samples).collect();
        order.shuffle(&mut rng);
        order
    }

    /// What the sample at this position draws in a pass.
    fn online(&self, position: usize, pass: u64) -> Stream {
        self.study_seed.stream(Purpose::Online { recipe: self.recipe, seed: self.seed, pass }, position as u64)
    }

    /// The sample that is shown at this position: itself, or a derived image that stands in for it.
    fn drawn(&self, position: usize, pass: u64) -> &Sample {
        let sample = &self.set.samples()[position];
        let Some(stand_ins) = self.set.stand_ins() else { return sample };
        let purpose = Purpose::Replace { rule: stand_ins.rule().digest(), seed: self.seed, pass };
        stand_ins.drawn(sample, &mut self.study_seed.stream(purpose, position as u64))
    }

    fn transformed(&self, position: usize, pass: u64) -> Result<RgbImage, CacheError> {
        let store = self.set.pixels();
        let rgb = store.rgb(self.drawn(position, pass).pixels)?.into_owned();
        let image = RgbImage::from_raw(store.width_px(), store.height_px(), rgb).expect("three bytes a pixel");
        Ok(self.transforms.apply(image, &mut self.online(position, pass)))
    }

    fn mixed(&self, mut batch: HostBatch, mix: &Mixer, pass: u64, number: u64) -> HostBatch {
        let len = batch.samples();
        let mut shares = vec![0.0; len * self.classes];
        for (row, label) in shares.chunks_exact_mut(self.classes).zip(batch.labels()) {
            row[label] = 1.0;
        }
        let purpose = Purpose::Mix { recipe: self.recipe, seed: self.seed, pass };
        let mut mixed = Batch {
            images: &mut batch.pixels,
            targets: &mut shares,
            len,
            width_px: self.input.width_px as usize,
            height_px: self.input.height_px as usize,
        };
        let hidden = mix.apply(&mut mixed, &mut self.study_seed.stream(purpose, number));
        HostBatch { targets: Targets::Soft { shares, classes: self.classes }, hidden, ..batch }
    }
}
