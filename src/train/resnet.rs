//! Residual networks: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, in torchvision's form.
//!
//! Names, shapes and arithmetic are torchvision's, so that its state dicts load and give its logits. As there, a bottleneck
//! carries its stride in the 3x3 convolution ("v1.5"), not in the first 1x1 as in the paper.

use tch::{Device, Kind, TchError, Tensor};

use super::folded::{FoldedBlock, FoldedConv, FoldedHead, FoldedResNet, FrozenNorm, kind_of};
use super::freeze::end_gradients;
use super::state::{NamedTensor, Role, channels_last};
use crate::plan::classifier::{Architecture, Freeze, Precision};

const IMAGE_CHANNELS: i64 = 3;
/// PyTorch's defaults of `BatchNorm2d`.
const BATCH_NORM_MOMENTUM: f64 = 0.1;
const BATCH_NORM_EPSILON: f64 = 1e-5;
/// Channels of the stem in the paper.
const PAPER_WIDTH: i64 = 64;

/// Which residual branch a block has (figure 5 of the paper).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Branch {
    /// Two 3x3 convolutions.
    Basic,
    /// 1x1, 3x3, 1x1 with four times as many channels at the end.
    Bottleneck,
}

/// The plan of a residual network (table 1 of the paper).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    pub branch: Branch,
    /// Blocks in each of the four stages.
    pub depths: [usize; 4],
    /// Channels of the stem and of the first stage's 3x3 convolutions; doubled from stage to stage.
    pub width: i64,
}

/// Whether batch normalisation uses the batch (and moves its running statistics) or the running statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Train,
    Evaluate,
}

/// A residual network with a linear head.
#[derive(Debug)]
pub struct ResNet {
    stem: ConvNorm,
    stages: Vec<Vec<Block>>,
    head: Linear,
    freeze: Freeze,
}

/// A convolution without bias, then batch normalisation.
#[derive(Debug)]
struct ConvNorm {
    kernel: Tensor,
    stride: i64,
    padding: i64,
    norm: BatchNorm,
}

#[derive(Debug)]
struct BatchNorm {
    weight: Tensor,
    bias: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
}

/// `relu(branch(x) + shortcut(x))`; the shortcut is the identity unless shapes differ.
#[derive(Debug)]
struct Block {
    branch: Vec<ConvNorm>,
    projection: Option<ConvNorm>,
}

#[derive(Debug)]
struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Layout {
    /// The layout of a named architecture.
    #[must_use]
    pub fn of(architecture: Architecture) -> Self {
        let (branch, depths) = match architecture {
            Architecture::Resnet18 => (Branch::Basic, [2, 2, 2, 2]),
            Architecture::Resnet34 => (Branch::Basic, [3, 4, 6, 3]),
            Architecture::Resnet50 => (Branch::Bottleneck, [3, 4, 6, 3]),
        };
        Self { branch, depths, width: PAPER_WIDTH }
    }

    fn expansion(self) -> i64 {
        match self.branch {
            Branch::Basic => 1,
            Branch::Bottleneck => 4,
        }
    }
}

impl ResNet {
    /// Builds the network on `device` with every tensor zero but batch normalisation's weights and variances, which are
    /// one; see `init` and `pretrained` for useful values.
    #[must_use]
    pub fn new(layout: Layout, classes: usize, device: Device) -> Self {
        let stem = ConvNorm::new(IMAGE_CHANNELS, layout.width, 7, 2, device);
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
        Self { stem, stages, head: Linear::new(channels, classes as i64, device), freeze: Freeze::None }
    }

    /// From now on, leaves a part as it is: it has no gradients, and is always in [`Mode::Evaluate`].
    pub fn freeze(&mut self, freeze: Freeze) {
        self.freeze = freeze;
        end_gradients(&self.named_tensors(), freeze);
    }

    /// Class scores `[N, classes]` of normalised images `[N, 3, H, W]`, both f32 on the network's device.
    ///
    /// # Errors
    /// Whatever LibTorch reports, such as memory running out.
    pub fn forward(&self, images: &Tensor, mode: Mode) -> Result<Tensor, TchError> {
        let stem_mode = if self.freeze == Freeze::None { mode } else { Mode::Evaluate };
        let stage_mode = if self.freeze == Freeze::AllButHead { Mode::Evaluate } else { mode };
        let mut x = self.stem.forward(images, stem_mode)?.f_relu_()?;
        x = x.f_max_pool2d([3, 3], [2, 2], [1, 1], [1, 1], false)?;
        for block in self.stages.iter().flatten() {
            x = block.forward(&x, stage_mode)?;
        }
        self.head_forward(&x.f_adaptive_avg_pool2d([1, 1])?.f_flatten(1, -1)?)
    }

    /// Class scores `[N, classes]` of features `[N, F]`, both f32 on the network's device.
    ///
    /// # Errors
    /// Whatever LibTorch reports.
    pub fn head_forward(&self, features: &Tensor) -> Result<Tensor, TchError> {
        features.f_linear(&self.head.weight, Some(&self.head.bias))
    }

    /// The network as it is now, for evaluation alone: about what [`forward`](Self::forward) with [`Mode::Evaluate`] gives,
    /// in fewer passes over memory.
    ///
    /// # Errors
    /// Whatever LibTorch reports.
    pub fn folded(&self, precision: Precision) -> Result<FoldedResNet, TchError> {
        let kind = kind_of(precision);
        tch::no_grad(|| {
            let mut blocks = Vec::new();
            for block in self.stages.iter().flatten() {
                let branch = block.branch.iter().map(|conv| conv.folded(kind)).collect::<Result<_, _>>()?;
                let projection = block.projection.as_ref().map(|conv| conv.folded(kind)).transpose()?;
                blocks.push(FoldedBlock { branch, projection });
            }
            Ok(FoldedResNet::new(kind, self.stem.folded(kind)?, blocks, self.folded_head(precision)?))
        })
    }

    /// The head as it is now, for evaluation alone.
    ///
    /// # Errors
    /// Whatever LibTorch reports.
    pub fn folded_head(&self, precision: Precision) -> Result<FoldedHead, TchError> {
        tch::no_grad(|| FoldedHead::new(&self.head.weight, &self.head.bias, kind_of(precision)))
    }

    /// Every tensor under torchvision's name, in torchvision's order of parameters. The tensors share memory with the
    /// network. The count of batches that torchvision keeps beside the running statistics enters no result here and is
    /// left out; PyTorch loads state dicts without it.
    #[must_use]
    pub fn named_tensors(&self) -> Vec<NamedTensor> {
        let mut names = Names(Vec::new());
        names.conv_norm(&self.stem, "conv1", "bn1");
        for (stage, blocks) in (1..).zip(&self.stages) {
            for (index, block) in blocks.iter().enumerate() {
                let prefix = format!("layer{stage}.{index}");
                for (number, conv) in (1..).zip(&block.branch) {
                    names.conv_norm(conv, &format!("{prefix}.conv{number}"), &format!("{prefix}.bn{number}"));
                }
                if let Some(projection) = &block.projection {
                    names.conv_norm(projection, &format!("{prefix}.downsample.0"), &format!("{prefix}.downsample.1"));
                }
            }
        }
        names.push("fc.weight".to_owned(), Role::Parameter, &self.head.weight);
        names.push("fc.bias".to_owned(), Role::Parameter, &self.head.bias);
        names.0
    }
}

/// Collects tensors under their names.
struct Names(Vec<NamedTensor>);

impl Names {
    fn conv_norm(&mut self, conv: &ConvNorm, conv_name: &str, norm_name: &str) {
        let norm = &conv.norm;
        self.push(format!("{conv_name}.weight"), Role::Parameter, &conv.kernel);
        self.push(format!("{norm_name}.weight"), Role::Parameter, &norm.weight);
        self.push(format!("{norm_name}.bias"), Role::Parameter, &norm.bias);
        self.push(format!("{norm_name}.running_mean"), Role::Buffer, &norm.running_mean);
        self.push(format!("{norm_name}.running_var"), Role::Buffer, &norm.running_var);
    }

    fn push(&mut self, name: String, role: Role, tensor: &Tensor) {
        self.0.push(NamedTensor { name, role, tensor: tensor.shallow_clone() });
    }
}

impl Block {
    fn new(layout: Layout, inputs: i64, planes: i64, stride: i64, device: Device) -> Self {
        let outputs = planes * layout.expansion();
        let branch = match layout.branch {
            Branch::Basic => vec![
                ConvNorm::new(inputs, planes, 3, stride, device),
                ConvNorm::new(planes, outputs, 3, 1, device), //
            ],
            Branch::Bottleneck => vec![
                ConvNorm::new(inputs, planes, 1, 1, device),
                ConvNorm::new(planes, planes, 3, stride, device),
                ConvNorm::new(planes, outputs, 1, 1, device),
            ],
        };
        let projection = (stride != 1 || inputs != outputs).then(|| ConvNorm::new(inputs, outputs, 1, stride, device));
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

impl ConvNorm {
    fn new(inputs: i64, outputs: i64, kernel_px: i64, stride: i64, device: Device) -> Self {
        let kernel = Tensor::zeros([outputs, inputs, kernel_px, kernel_px], (Kind::Float, device));
        let kernel = channels_last(&kernel).set_requires_grad(true);
        Self { kernel, stride, padding: kernel_px / 2, norm: BatchNorm::new(outputs, device) }
    }

    fn forward(&self, x: &Tensor, mode: Mode) -> Result<Tensor, TchError> {
        let square = |extent: i64| [extent, extent];
        let x = x.f_conv2d(&self.kernel, None::<&Tensor>, square(self.stride), square(self.padding), [1, 1], 1)?;
        let norm = &self.norm;
        x.f_batch_norm(
            Some(&norm.weight),
            Some(&norm.bias),
            Some(&norm.running_mean),
            Some(&norm.running_var),
            mode == Mode::Train,
            BATCH_NORM_MOMENTUM,
            BATCH_NORM_EPSILON,
            true,
        )
    }

    fn folded(&self, kind: Kind) -> Result<FoldedConv, TchError> {
        let BatchNorm { weight, bias, running_mean: mean, running_var: variance } = &self.norm;
        let norm = FrozenNorm { weight, bias, mean, variance, epsilon: BATCH_NORM_EPSILON };
        FoldedConv::new(&self.kernel, self.stride, self.padding, &norm, kind)
    }
}

impl BatchNorm {
    fn new(channels: i64, device: Device) -> Self {
        let options = (Kind::Float, device);
        Self {
            weight: Tensor::ones([channels], options).set_requires_grad(true),
            bias: Tensor::zeros([channels], options).set_requires_grad(true),
            running_mean: Tensor::zeros([channels], options),
            running_var: Tensor::ones([channels], options),
        }
    }
}

impl Linear {
    fn new(inputs: i64, outputs: i64, device: Device) -> Self {
        let options = (Kind::Float, device);
        Self {
            weight: Tensor::zeros([outputs, inputs], options).set_requires_grad(true),
            bias: Tensor::zeros([outputs], options).set_requires_grad(true),
        }
    }
}
