//! Training batches: order of a pass, online transforms, normalised pixels, mixing.
//!
//! Every random number has a named stream: the order of a pass depends on the trial's seed and the pass, a sample's
//! transform on recipe, seed, pass and the sample's position in the set. So a batch is a function of its update alone.

use std::sync::Arc;

use image::RgbImage;
use rand::seq::SliceRandom as _;
use tch::{Device, TchError, Tensor};

use super::features::FeatureTable;
use super::preprocess::{CHANNELS, Fit, InputSize, Preprocessor};
use super::timetable::{Slice, Timetable};
use crate::data::samples::TrainingSet;
use crate::digest::Digest;
use crate::seed::{Purpose, Stream, StudySeed};

/// Changes one image as a recipe's online part says. The result may have another size.
pub trait SampleTransform: Sync {
    fn apply(&self, image: RgbImage, rng: &mut Stream) -> RgbImage;

    /// Whether [`apply`](Self::apply) gives every image back as it was.
    fn changes_nothing(&self) -> bool {
        false
    }
}

/// Mixes a whole batch in place (`MixUp`, `CutMix`).
pub trait BatchMix: Sync {
    fn mix(&self, batch: SoftBatch<'_>, rng: &mut Stream);
}

/// A batch that may be mixed.
#[derive(Debug)]
pub struct SoftBatch<'a> {
    /// `[N, 3, H, W]`, normalised.
    pub pixels: &'a mut [f32],
    /// `[N, classes]`; every row sums to 1.
    pub targets: &'a mut [f32],
    pub samples: usize,
    pub classes: usize,
    pub width_px: usize,
    pub height_px: usize,
}

/// Leaves every image as it is.
#[derive(Clone, Copy, Debug)]
pub struct Unchanged;

impl SampleTransform for Unchanged {
    fn apply(&self, image: RgbImage, _rng: &mut Stream) -> RgbImage {
        image
    }

    fn changes_nothing(&self) -> bool {
        true
    }
}

/// A batch in main memory.
#[derive(Clone, Debug, PartialEq)]
pub struct HostBatch {
    pub size: InputSize,
    /// `[N, 3, H, W]`, normalised.
    pub pixels: Vec<f32>,
    pub targets: Targets,
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
        let InputSize { width_px, height_px } = self.size;
        let rows = [self.samples() as i64, i64::from(height_px), i64::from(width_px), CHANNELS as i64];
        let images = Tensor::f_from_slice(&interleaved(&self.pixels, self.size))?.f_view(rows)?;
        let targets = match &self.targets {
            Targets::Labels(labels) => Tensor::f_from_slice(labels)?,
            Targets::Soft { shares, classes } => Tensor::f_from_slice(shares)?.f_view([-1, *classes as i64])?,
        };
        StagedBatch::new(images, targets, device)
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

/// A batch as tensors in main memory.
#[derive(Debug)]
pub struct StagedBatch {
    /// Pixels `[N, H, W, 3]` or features `[N, F]`, f32.
    inputs: Tensor,
    /// `[N]` i64, or `[N, classes]` f32 if mixed.
    targets: Tensor,
    pub samples: usize,
}

impl StagedBatch {
    fn new(inputs: Tensor, targets: Tensor, device: Device) -> Result<Self, TchError> {
        // Page-locked memory is copied to a GPU while the host goes on.
        let pinned = |tensor: Tensor| if device.is_cuda() { tensor.f_pin_memory(device) } else { Ok(tensor) };
        let samples = targets.size()[0] as usize;
        Ok(Self { inputs: pinned(inputs)?, targets: pinned(targets)?, samples })
    }

    /// Images `[N, 3, H, W]`, channels-last, or features `[N, F]`, and targets, on `device`. On CUDA the copy runs beside the
    /// host.
    ///
    /// # Errors
    /// Whatever LibTorch reports, such as memory running out.
    pub fn upload(&self, device: Device) -> Result<(Tensor, Tensor), TchError> {
        let moved = |tensor: &Tensor| tensor.f_to_device_(device, tensor.kind(), true, false);
        let mut inputs = moved(&self.inputs)?;
        if inputs.dim() == 4 {
            inputs = inputs.f_permute([0, 3, 1, 2])?;
        }
        Ok((inputs, moved(&self.targets)?))
    }
}

/// Planes `[N, 3, H, W]` as pixels `[N, H, W, 3]`: the order in memory of channels-last tensors.
fn interleaved(planes: &[f32], size: InputSize) -> Vec<f32> {
    let mut pixels = vec![0.0; planes.len()];
    for (image, place) in planes.chunks_exact(size.values()).zip(pixels.chunks_exact_mut(size.values())) {
        for (channel, plane) in image.chunks_exact(size.values() / CHANNELS).enumerate() {
            for (value, pixel) in plane.iter().zip(place.chunks_exact_mut(CHANNELS)) {
                pixel[channel] = *value;
            }
        }
    }
    pixels
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
    pub classes: usize,
    pub transforms: &'a dyn SampleTransform,
    pub mix: Option<&'a dyn BatchMix>,
    pub study_seed: StudySeed,
    pub seed: u64,
    pub recipe: Digest,
    /// Features of every sample, which then stand for the images.
    pub features: Option<Arc<FeatureTable>>,
}

impl<'a> TrainingBatches<'a> {
    /// A function from update to batch, ready to be moved to `device`.
    pub fn stager(&'a self, device: Device) -> Box<dyn FnMut(u64) -> Result<StagedBatch, TchError> + Send + 'a> {
        let Some(features) = &self.features else {
            let mut assemble = self.assembler();
            return Box::new(move |update| assemble(update).stage(device));
        };
        let mut visit = self.visits();
        Box::new(move |update| {
            let (_, positions) = visit(update);
            let labels = Tensor::f_from_slice(&self.labels(&positions))?;
            StagedBatch::new(features.rows(positions)?, labels, device)
        })
    }

    /// As [`stager`](Self::stager) of the first pass, but in the set's order and without mixing.
    pub fn stager_in_order(&'a self, device: Device) -> impl FnMut(u64) -> Result<StagedBatch, TchError> + Send + 'a {
        let mut preprocessor = Preprocessor::new(Fit::whole(self.input));
        move |number| {
            let slice = self.timetable.slice(number);
            let positions: Vec<usize> = slice.positions.collect();
            self.assembled(&mut preprocessor, &positions, slice.pass).stage(device)
        }
    }

    /// A function from update to batch, with buffers of its own.
    pub fn assembler(&'a self) -> impl FnMut(u64) -> HostBatch + Send + 'a {
        let mut preprocessor = Preprocessor::new(Fit::whole(self.input));
        let mut visit = self.visits();
        move |update| {
            let (slice, positions) = visit(update);
            let batch = self.assembled(&mut preprocessor, &positions, slice.pass);
            match self.mix {
                None => batch,
                Some(mix) => self.mixed(batch, mix, slice.pass, slice.batch),
            }
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

    fn assembled(&self, preprocessor: &mut Preprocessor, positions: &[usize], pass: u64) -> HostBatch {
        let mut pixels = vec![0.0; positions.len() * self.input.values()];
        for (&position, place) in positions.iter().zip(pixels.chunks_exact_mut(self.input.values())) {
            let image = self.transformed(position, pass);
            let size = InputSize { width_px: image.width(), height_px: image.height() };
            preprocessor.write(size, image.as_raw(), place);
        }
        HostBatch { size: self.input, pixels, targets: Targets::Labels(self.labels(positions)) }
    }

    fn labels(&self, positions: &[usize]) -> Vec<i64> {
        positions.iter().map(|&position| i64::from(self.set.samples()[position].label)).collect()
    }

    /// The shuffled positions of one pass.
    fn order(&self, pass: u64) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.set.samples().len()).collect();
        order.shuffle(&mut self.study_seed.stream(Purpose::Shuffle { seed: self.seed, pass }, 0));
        order
    }

    fn transformed(&self, position: usize, pass: u64) -> RgbImage {
        let store = self.set.pixels();
        let rgb = store.rgb(self.set.samples()[position].pixels).to_vec();
        let image = RgbImage::from_raw(store.width_px(), store.height_px(), rgb).expect("three bytes a pixel");
        let purpose = Purpose::Online { recipe: self.recipe, seed: self.seed, pass };
        self.transforms.apply(image, &mut self.study_seed.stream(purpose, position as u64))
    }

    fn mixed(&self, mut batch: HostBatch, mix: &dyn BatchMix, pass: u64, number: u64) -> HostBatch {
        let samples = batch.samples();
        let mut shares = vec![0.0; samples * self.classes];
        for (row, label) in shares.chunks_exact_mut(self.classes).zip(batch.labels()) {
            row[label] = 1.0;
        }
        let purpose = Purpose::Mix { recipe: self.recipe, seed: self.seed, pass };
        let soft = SoftBatch {
            pixels: &mut batch.pixels,
            targets: &mut shares,
            samples,
            classes: self.classes,
            width_px: self.input.width_px as usize,
            height_px: self.input.height_px as usize,
        };
        mix.mix(soft, &mut self.study_seed.stream(purpose, number));
        HostBatch { targets: Targets::Soft { shares, classes: self.classes }, ..batch }
    }
}
