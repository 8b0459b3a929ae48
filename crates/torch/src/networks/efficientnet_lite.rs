//! EfficientNet-Lite0: Tan and Le, "`EfficientNet`: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019, in
//! TensorFlow's variant for phones: `ReLU6` for swish, no squeeze and excitation, a fixed stem and head.
//!
//! Names, shapes and arithmetic are those of the package `efficientnet-lite-pytorch` 0.1.0, whose weights load. Dropout and
//! stochastic depth are left out, which the original trains with: they change nothing in evaluation.

use tch::{Device, Kind, TchError, Tensor};

use super::conv_norm::{ConvNorm, Convolution, FoldedConv, Normalizing, Padding};
use super::tensors::end_gradients;
use super::{Change, Folded, FoldedHead, FoldedLinear, Linear, Mode, NamedTensor, Network, Part, kind_of};
use augtrial_plan::classifier::{Freeze, Precision};

/// TensorFlow's momentum of 0.99 is the share that stays.
const NORMALIZING: Normalizing = Normalizing { momentum: 0.01, epsilon: 1e-3 };
const IMAGE_CHANNELS: i64 = 3;
const STEM_CHANNELS: i64 = 32;
const FEATURES: i64 = 1280;
/// PyTorch counts batches beside running statistics; no result depends on it.
const BATCH_COUNT: &str = ".num_batches_tracked";

/// Blocks of one resolution (table 1 of the paper).
struct Stage {
    blocks: usize,
    kernel_px: i64,
    /// Of the first block.
    stride: i64,
    /// How many times as many channels a block has inside.
    expansion: i64,
    outputs: i64,
}

const STAGES: [Stage; 7] = [
    Stage { blocks: 1, kernel_px: 3, stride: 1, expansion: 1, outputs: 16 },
    Stage { blocks: 2, kernel_px: 3, stride: 2, expansion: 6, outputs: 24 },
    Stage { blocks: 2, kernel_px: 5, stride: 2, expansion: 6, outputs: 40 },
    Stage { blocks: 3, kernel_px: 3, stride: 2, expansion: 6, outputs: 80 },
    Stage { blocks: 3, kernel_px: 5, stride: 1, expansion: 6, outputs: 112 },
    Stage { blocks: 4, kernel_px: 5, stride: 2, expansion: 6, outputs: 192 },
    Stage { blocks: 1, kernel_px: 3, stride: 1, expansion: 6, outputs: 320 },
];

/// EfficientNet-Lite0 with a linear head.
#[derive(Debug)]
pub struct EfficientNetLite {
    stem: ConvNorm,
    blocks: Vec<Block<ConvNorm>>,
    last: ConvNorm,
    head: Linear,
    freeze: Freeze,
}

/// An inverted residual: `x + project(depthwise(expand(x)))`; without the `x` where shapes differ.
#[derive(Debug)]
struct Block<Layer> {
    /// Absent where a block has no more channels inside than outside.
    expand: Option<Layer>,
    depthwise: Layer,
    project: Layer,
    residual: bool,
}

impl EfficientNetLite {
    /// Builds the network on `device` with every tensor zero but batch normalization's weights and variances, which are
    /// one; see `init` and `pretrained` for useful values.
    #[must_use]
    pub fn new(classes: usize, device: Device) -> Self {
        let mut inputs = STEM_CHANNELS;
        let mut blocks = Vec::new();
        for stage in &STAGES {
            for number in 0..stage.blocks {
                let stride = if number == 0 { stage.stride } else { 1 };
                blocks.push(Block::new(inputs, stage, stride, device));
                inputs = stage.outputs;
            }
        }
        Self {
            stem: layer([IMAGE_CHANNELS, STEM_CHANNELS, 3], 2, 1, device),
            blocks,
            last: layer([inputs, FEATURES, 1], 1, 1, device),
            head: Linear::new(FEATURES, classes as i64, device),
            freeze: Freeze::None,
        }
    }

    /// Features `[N, F]`, with a change of what one of the seven stages, counted from 1, gives; 8 is the features.
    fn features(&self, images: &Tensor, mode: Mode, changed: Option<(usize, Change<'_>)>) -> Result<Tensor, TchError> {
        let at = |number: usize, x: Tensor| match changed.filter(|(at, _)| *at == number) {
            Some((_, change)) => change(&x),
            None => Ok(x),
        };
        let mode_of = |part: Part| if part.is_frozen(self.freeze) { Mode::Evaluate } else { mode };
        let mut x = relu6(&self.stem.forward(images, mode_of(Part::Stem))?)?;
        let mode = mode_of(Part::Body);
        let mut blocks = self.blocks.iter();
        for (number, stage) in (1..).zip(&STAGES) {
            for block in blocks.by_ref().take(stage.blocks) {
                x = block.forward(&x, |layer, x| layer.forward(x, mode))?;
            }
            x = at(number, x)?;
        }
        let features = relu6(&self.last.forward(&x, mode)?)?.f_adaptive_avg_pool2d([1, 1])?.f_flatten(1, -1)?;
        at(STAGES.len() + 1, features)
    }
}

fn layer(shape: [i64; 3], stride: i64, groups: i64, device: Device) -> ConvNorm {
    ConvNorm::new(shape, Convolution { stride, padding: Padding::Same, groups }, NORMALIZING, device)
}

fn relu6(x: &Tensor) -> Result<Tensor, TchError> {
    x.f_relu6()
}

impl Block<ConvNorm> {
    fn new(inputs: i64, stage: &Stage, stride: i64, device: Device) -> Self {
        let inner = inputs * stage.expansion;
        Self {
            expand: (stage.expansion != 1).then(|| layer([inputs, inner, 1], 1, 1, device)),
            depthwise: layer([inner, inner, stage.kernel_px], stride, inner, device),
            project: layer([inner, stage.outputs, 1], 1, 1, device),
            residual: stride == 1 && inputs == stage.outputs,
        }
    }

    fn folded(&self, kind: Kind) -> Result<Block<FoldedConv>, TchError> {
        Ok(Block {
            expand: self.expand.as_ref().map(|layer| layer.folded(kind)).transpose()?,
            depthwise: self.depthwise.folded(kind)?,
            project: self.project.folded(kind)?,
            residual: self.residual,
        })
    }
}

impl<Layer> Block<Layer> {
    /// `run` applies one layer.
    fn forward(
        &self,
        x: &Tensor,
        run: impl Fn(&Layer, &Tensor) -> Result<Tensor, TchError>,
    ) -> Result<Tensor, TchError> {
        let mut y = x.shallow_clone();
        if let Some(expand) = &self.expand {
            y = relu6(&run(expand, &y)?)?;
        }
        y = relu6(&run(&self.depthwise, &y)?)?;
        y = run(&self.project, &y)?;
        if self.residual { y.f_add(x) } else { Ok(y) }
    }
}

impl Network for EfficientNetLite {
    fn trunk(&self, images: &Tensor, mode: Mode) -> Result<Tensor, TchError> {
        self.features(images, mode, None)
    }

    fn trunk_changed(&self, images: &Tensor, mode: Mode, stage: usize, change: Change<'_>) -> Result<Tensor, TchError> {
        self.features(images, mode, Some((stage, change)))
    }

    fn head(&self, features: &Tensor) -> Result<Tensor, TchError> {
        self.head.forward(features)
    }

    /// Under the package's names, in its order of parameters.
    fn tensors(&self) -> Vec<NamedTensor> {
        let mut tensors = Vec::from(self.stem.tensors(Part::Stem, "_conv_stem", "_bn0"));
        for (index, block) in self.blocks.iter().enumerate() {
            let mut add = |layer: &ConvNorm, conv: &str, norm: &str| {
                let at = |name: &str| format!("_blocks.{index}.{name}");
                tensors.extend(layer.tensors(Part::Body, &at(conv), &at(norm)));
            };
            if let Some(expand) = &block.expand {
                add(expand, "_expand_conv", "_bn0");
            }
            add(&block.depthwise, "_depthwise_conv", "_bn1");
            add(&block.project, "_project_conv", "_bn2");
        }
        tensors.extend(self.last.tensors(Part::Body, "_conv_head", "_bn1"));
        tensors.extend(self.head.tensors("_fc"));
        tensors
    }

    fn ignores(&self, name: &str) -> bool {
        name.ends_with(BATCH_COUNT)
    }

    fn freeze(&mut self, freeze: Freeze) {
        self.freeze = freeze;
        end_gradients(&self.tensors(), freeze);
    }

    fn folded(&self, precision: Precision) -> Result<Box<dyn Folded>, TchError> {
        let kind = kind_of(precision);
        tch::no_grad(|| {
            let blocks = self.blocks.iter().map(|block| block.folded(kind)).collect::<Result<_, _>>()?;
            let (stem, last) = (self.stem.folded(kind)?, self.last.folded(kind)?);
            let head = self.head.folded(precision)?;
            Ok(Box::new(FoldedEfficientNetLite { kind, stem, blocks, last, head }) as Box<dyn Folded>)
        })
    }

    fn folded_head(&self, precision: Precision) -> Result<Box<dyn FoldedHead>, TchError> {
        Ok(Box::new(self.head.folded(precision)?))
    }
}

/// EfficientNet-Lite0 for evaluation alone.
#[derive(Debug)]
struct FoldedEfficientNetLite {
    kind: Kind,
    stem: FoldedConv,
    blocks: Vec<Block<FoldedConv>>,
    last: FoldedConv,
    head: FoldedLinear,
}

impl FoldedHead for FoldedEfficientNetLite {
    fn scores(&self, features: &Tensor) -> Result<Tensor, TchError> {
        self.head.scores(features)
    }
}

impl Folded for FoldedEfficientNetLite {
    fn features(&self, images: &Tensor) -> Result<Tensor, TchError> {
        let mut x = relu6(&self.stem.forward(&images.f_to_kind(self.kind)?)?)?;
        for block in &self.blocks {
            x = block.forward(&x, FoldedConv::forward)?;
        }
        relu6(&self.last.forward(&x)?)?.f_adaptive_avg_pool2d([1, 1])?.f_flatten(1, -1)?.f_to_kind(Kind::Float)
    }
}
