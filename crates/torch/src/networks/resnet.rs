//! Residual networks: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, in torchvision's form.
//!
//! Names, shapes and arithmetic are torchvision's, so that its state dicts load and give its logits. As there, a bottleneck
//! carries its stride in the 3x3 convolution ("v1.5"), not in the first 1x1 as in the paper.
//!
//! Small images have networks of their own in the paper (section 4.2): a 3x3 stem that keeps the size, and three stages. Shortcuts
//! whose shapes differ are projections here (the paper's option B), so that all networks of this file are made alike.
//!
//! Frozen batch normalization uses its running statistics and leaves them: Chollet, "Transfer learning & fine-tuning",
//! Keras guides, section "`BatchNormalization` and `trainable`"; likewise torchvision's `FrozenBatchNorm2d`. With
//! statistics that move, features would not be fixed.

use tch::{Device, Kind, TchError, Tensor};

use super::conv_norm::{ConvNorm, Convolution, FoldedConv, Normalizing};
use super::tensors::end_gradients;
use super::{Change, Folded, FoldedHead, FoldedLinear, Linear, Mode, NamedTensor, Network, Part, kind_of};
use augtrial_plan::classifier::{Freeze, Precision};

const IMAGE_CHANNELS: i64 = 3;
/// PyTorch's defaults of `BatchNorm2d`.
const NORMALIZING: Normalizing = Normalizing { momentum: 0.1, epsilon: 1e-5 };
/// torchvision counts batches beside running statistics; no result depends on it.
const BATCH_COUNT: &str = ".num_batches_tracked";
/// Channels of the stem in the paper, for photographs and for small images.
const PAPER_WIDTH: i64 = 64;
const SMALL_WIDTH: i64 = 16;

/// Which residual branch a block has (figure 5 of the paper).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Branch {
    /// Two 3x3 convolutions.
    Basic,
    /// 1x1, 3x3, 1x1 with four times as many channels at the end.
    Bottleneck,
}

/// What comes before the stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stem {
    /// A 7x7 convolution of stride 2, and a 3x3 maximum of stride 2: for photographs.
    Quartering,
    /// A 3x3 convolution: for images of some 32 px.
    Keeping,
}

/// The plan of a residual network (table 1 and section 4.2 of the paper).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResNetLayout {
    pub stem: Stem,
    pub branch: Branch,
    /// Blocks in each stage.
    pub depths: &'static [usize],
    /// Channels of the stem and of the first stage's 3x3 convolutions; doubled from stage to stage.
    pub width: i64,
}

/// A residual network with a linear head.
#[derive(Debug)]
pub struct ResNet {
    stem: ConvNorm,
    pools: bool,
    stages: Vec<Vec<Block>>,
    head: Linear,
    freeze: Freeze,
}

/// `relu(branch(x) + shortcut(x))`; the shortcut is the identity unless shapes differ.
#[derive(Debug)]
struct Block {
    branch: Vec<ConvNorm>,
    projection: Option<ConvNorm>,
}

impl ResNetLayout {
    pub const RESNET18: Self = Self::of(Branch::Basic, &[2, 2, 2, 2]);
    pub const RESNET34: Self = Self::of(Branch::Basic, &[3, 4, 6, 3]);
    pub const RESNET50: Self = Self::of(Branch::Bottleneck, &[3, 4, 6, 3]);
    pub const RESNET20: Self = Self::small(&[3, 3, 3]);
    pub const RESNET56: Self = Self::small(&[9, 9, 9]);

    const fn of(branch: Branch, depths: &'static [usize]) -> Self {
        Self { stem: Stem::Quartering, branch, depths, width: PAPER_WIDTH }
    }

    const fn small(depths: &'static [usize]) -> Self {
        Self { stem: Stem::Keeping, branch: Branch::Basic, depths, width: SMALL_WIDTH }
    }

    fn expansion(self) -> i64 {
        match self.branch {
            Branch::Basic => 1,
            Branch::Bottleneck => 4,
        }
    }
}

impl ResNet {
    /// Builds the network on `device` with every tensor zero but batch normalization's weights and variances, which are
    /// one; see `init` and `pretrained` for useful values.
    #[must_use]
    pub fn new(layout: ResNetLayout, classes: usize, device: Device) -> Self {
        let (kernel_px, stride, pools) = match layout.stem {
            Stem::Quartering => (7, 2, true),
            Stem::Keeping => (3, 1, false),
        };
        let stem = conv_norm(IMAGE_CHANNELS, layout.width, kernel_px, stride, device);
        let mut channels = layout.width;
        let mut stages = Vec::new();
        for (stage, &depth) in layout.depths.iter().enumerate() {
            let planes = layout.width << stage;
            let mut blocks = Vec::new();
            for block in 0..depth {
                let stride = if stage > 0 && block == 0 { 2 } else { 1 };
                blocks.push(Block::new(layout, channels, planes, stride, device));
                channels = planes * layout.expansion();
            }
            stages.push(blocks);
        }
        Self { stem, pools, stages, head: Linear::new(channels, classes as i64, device), freeze: Freeze::None }
    }

    /// Features `[N, F]`, with a change of what one of the stages, counted from 1, gives.
    fn features(&self, images: &Tensor, mode: Mode, changed: Option<(usize, Change<'_>)>) -> Result<Tensor, TchError> {
        let mode_of = |part: Part| if part.is_frozen(self.freeze) { Mode::Evaluate } else { mode };
        let mut x = pooled(self.stem.forward(images, mode_of(Part::Stem))?.f_relu_()?, self.pools)?;
        for (number, stage) in (1..).zip(&self.stages) {
            for block in stage {
                x = block.forward(&x, mode_of(Part::Body))?;
            }
            if let Some((_, change)) = changed.filter(|(at, _)| *at == number) {
                x = change(&x)?;
            }
        }
        x.f_adaptive_avg_pool2d([1, 1])?.f_flatten(1, -1)
    }
}

impl Network for ResNet {
    fn trunk(&self, images: &Tensor, mode: Mode) -> Result<Tensor, TchError> {
        self.features(images, mode, None)
    }

    fn trunk_changed(&self, images: &Tensor, mode: Mode, stage: usize, change: Change<'_>) -> Result<Tensor, TchError> {
        self.features(images, mode, Some((stage, change)))
    }

    fn head(&self, features: &Tensor) -> Result<Tensor, TchError> {
        self.head.forward(features)
    }

    /// Under torchvision's names, in torchvision's order of parameters. The count of batches that torchvision keeps beside
    /// the running statistics enters no result here and is left out; PyTorch loads state dicts without it.
    fn tensors(&self) -> Vec<NamedTensor> {
        let mut tensors = Vec::from(self.stem.tensors(Part::Stem, "conv1", "bn1"));
        for (stage, blocks) in (1..).zip(&self.stages) {
            for (index, block) in blocks.iter().enumerate() {
                let prefix = format!("layer{stage}.{index}");
                for (number, conv) in (1..).zip(&block.branch) {
                    let (conv_name, norm_name) = (format!("{prefix}.conv{number}"), format!("{prefix}.bn{number}"));
                    tensors.extend(conv.tensors(Part::Body, &conv_name, &norm_name));
                }
                if let Some(projection) = &block.projection {
                    let (conv_name, norm_name) = (format!("{prefix}.downsample.0"), format!("{prefix}.downsample.1"));
                    tensors.extend(projection.tensors(Part::Body, &conv_name, &norm_name));
                }
            }
        }
        tensors.extend(self.head.tensors("fc"));
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
            let mut blocks = Vec::new();
            for block in self.stages.iter().flatten() {
                let branch = block.branch.iter().map(|conv| conv.folded(kind)).collect::<Result<_, _>>()?;
                let projection = block.projection.as_ref().map(|conv| conv.folded(kind)).transpose()?;
                blocks.push(FoldedBlock { branch, projection });
            }
            let (stem, head) = (self.stem.folded(kind)?, self.head.folded(precision)?);
            Ok(Box::new(FoldedResNet { kind, stem, pools: self.pools, blocks, head }) as Box<dyn Folded>)
        })
    }

    fn folded_head(&self, precision: Precision) -> Result<Box<dyn FoldedHead>, TchError> {
        Ok(Box::new(self.head.folded(precision)?))
    }
}

/// What the stem gives to the stages.
fn pooled(x: Tensor, pools: bool) -> Result<Tensor, TchError> {
    if pools { x.f_max_pool2d([3, 3], [2, 2], [1, 1], [1, 1], false) } else { Ok(x) }
}

/// A centered convolution of `kernel_px` on every side, with batch normalization.
fn conv_norm(inputs: i64, outputs: i64, kernel_px: i64, stride: i64, device: Device) -> ConvNorm {
    ConvNorm::new([inputs, outputs, kernel_px], Convolution::centered(kernel_px, stride), NORMALIZING, device)
}

impl Block {
    fn new(layout: ResNetLayout, inputs: i64, planes: i64, stride: i64, device: Device) -> Self {
        let outputs = planes * layout.expansion();
        let branch = match layout.branch {
            Branch::Basic => vec![
                conv_norm(inputs, planes, 3, stride, device),
                conv_norm(planes, outputs, 3, 1, device), //
            ],
            Branch::Bottleneck => vec![
                conv_norm(inputs, planes, 1, 1, device),
                conv_norm(planes, planes, 3, stride, device),
                conv_norm(planes, outputs, 1, 1, device),
            ],
        };
        let projection = (stride != 1 || inputs != outputs).then(|| conv_norm(inputs, outputs, 1, stride, device));
        Self { branch, projection }
    }

    fn forward(&self, x: &Tensor, mode: Mode) -> Result<Tensor, TchError> {
        let (last, inner) = self.branch.split_last().expect("a branch has convolutions");
        let mut y = x.shallow_clone();
        for conv in inner {
            y = conv.forward(&y, mode)?.f_relu_()?;
        }
        y = last.forward(&y, mode)?;
        let shortcut = match &self.projection {
            Some(projection) => projection.forward(x, mode)?,
            None => x.shallow_clone(),
        };
        y.f_add_(&shortcut)?.f_relu_()
    }
}

/// A residual network for evaluation alone.
#[derive(Debug)]
struct FoldedResNet {
    kind: Kind,
    stem: FoldedConv,
    pools: bool,
    blocks: Vec<FoldedBlock>,
    head: FoldedLinear,
}

#[derive(Debug)]
struct FoldedBlock {
    branch: Vec<FoldedConv>,
    projection: Option<FoldedConv>,
}

impl FoldedBlock {
    fn forward(&self, x: &Tensor) -> Result<Tensor, TchError> {
        let (last, inner) = self.branch.split_last().expect("a branch has convolutions");
        let mut y = x.shallow_clone();
        for conv in inner {
            y = conv.forward(&y)?.f_relu_()?;
        }
        let mut y = last.forward(&y)?;
        match &self.projection {
            Some(projection) => y.f_add_(&projection.forward(x)?)?.f_relu_(),
            None => y.f_add_(x)?.f_relu_(),
        }
    }
}

impl FoldedHead for FoldedResNet {
    fn scores(&self, features: &Tensor) -> Result<Tensor, TchError> {
        self.head.scores(features)
    }
}

impl Folded for FoldedResNet {
    fn features(&self, images: &Tensor) -> Result<Tensor, TchError> {
        let mut x = pooled(self.stem.forward(&images.f_to_kind(self.kind)?)?.f_relu_()?, self.pools)?;
        for block in &self.blocks {
            x = block.forward(&x)?;
        }
        x.f_adaptive_avg_pool2d([1, 1])?.f_flatten(1, -1)?.f_to_kind(Kind::Float)
    }
}
