//! A network for evaluation alone: batch normalisation folded into the convolutions, weights in the precision of training.
//!
//! With running statistics, batch normalisation is a fixed affine map of each channel, and so part of the convolution before
//! it (Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR
//! 2018, section 3.2). It saves two passes over every activation.

use tch::{Kind, TchError, Tensor};

use crate::plan::classifier::Precision;

/// A residual network that can only be asked.
#[derive(Debug)]
pub struct FoldedResNet {
    kind: Kind,
    stem: FoldedConv,
    blocks: Vec<FoldedBlock>,
    head: FoldedHead,
}

/// The linear head, for evaluation alone.
#[derive(Debug)]
pub struct FoldedHead {
    kind: Kind,
    weight: Tensor,
    bias: Tensor,
}

/// A convolution with bias.
#[derive(Debug)]
pub(super) struct FoldedConv {
    kernel: Tensor,
    bias: Tensor,
    stride: i64,
    padding: i64,
}

#[derive(Debug)]
pub(super) struct FoldedBlock {
    pub(super) branch: Vec<FoldedConv>,
    pub(super) projection: Option<FoldedConv>,
}

/// Batch normalisation with running statistics.
#[derive(Debug)]
pub(super) struct FrozenNorm<'a> {
    pub(super) weight: &'a Tensor,
    pub(super) bias: &'a Tensor,
    pub(super) mean: &'a Tensor,
    pub(super) variance: &'a Tensor,
    pub(super) epsilon: f64,
}

/// The kind of tensors that a network of this precision is evaluated in.
pub(super) fn kind_of(precision: Precision) -> Kind {
    match precision {
        Precision::Fp32 => Kind::Float,
        Precision::Bf16 => Kind::BFloat16,
    }
}

impl FoldedConv {
    /// `conv` then `norm` as one convolution: `k' = k s`, `b' = beta - mean s` with `s = gamma / sqrt(variance + epsilon)` of
    /// each output channel, computed in f32 and then rounded to `kind`.
    ///
    /// # Errors
    /// Whatever LibTorch reports.
    pub(super) fn new(
        kernel: &Tensor,
        stride: i64,
        padding: i64,
        norm: &FrozenNorm<'_>,
        kind: Kind,
    ) -> Result<Self, TchError> {
        let scale = norm.weight.f_div(&norm.variance.f_add_scalar(norm.epsilon)?.f_sqrt()?)?;
        let bias = norm.bias.f_sub(&norm.mean.f_mul(&scale)?)?;
        // `to_kind` and the product keep the kernel's layout, channels-last.
        let kernel = kernel.f_mul(&scale.f_view([-1, 1, 1, 1])?)?;
        Ok(Self { kernel: kernel.f_to_kind(kind)?, bias: bias.f_to_kind(kind)?, stride, padding })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor, TchError> {
        let square = |extent: i64| [extent, extent];
        x.f_conv2d(&self.kernel, Some(&self.bias), square(self.stride), square(self.padding), [1, 1], 1)
    }
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

impl FoldedResNet {
    pub(super) fn new(kind: Kind, stem: FoldedConv, blocks: Vec<FoldedBlock>, head: FoldedHead) -> Self {
        Self { kind, stem, blocks, head }
    }

    /// Class scores `[N, classes]`, f32, of normalised images `[N, 3, H, W]`, f32.
    ///
    /// # Errors
    /// Whatever LibTorch reports, such as memory running out.
    pub fn forward(&self, images: &Tensor) -> Result<Tensor, TchError> {
        self.head.forward(&self.features(images)?)
    }

    /// What the head sees of images `[N, 3, H, W]`, f32: features `[N, F]`, f32. In bf16 their values are bf16's.
    ///
    /// # Errors
    /// Whatever LibTorch reports, such as memory running out.
    pub fn features(&self, images: &Tensor) -> Result<Tensor, TchError> {
        let mut x = self.stem.forward(&images.f_to_kind(self.kind)?)?.f_relu_()?;
        x = x.f_max_pool2d([3, 3], [2, 2], [1, 1], [1, 1], false)?;
        for block in &self.blocks {
            x = block.forward(&x)?;
        }
        x.f_adaptive_avg_pool2d([1, 1])?.f_flatten(1, -1)?.f_to_kind(Kind::Float)
    }
}

impl FoldedHead {
    /// Copies a head, rounded to `kind`.
    ///
    /// # Errors
    /// Whatever LibTorch reports.
    pub(super) fn new(weight: &Tensor, bias: &Tensor, kind: Kind) -> Result<Self, TchError> {
        Ok(Self { kind, weight: weight.f_to_kind(kind)?, bias: bias.f_to_kind(kind)? })
    }

    /// Class scores `[N, classes]`, f32, of features `[N, F]`, f32.
    ///
    /// # Errors
    /// Whatever LibTorch reports.
    pub fn forward(&self, features: &Tensor) -> Result<Tensor, TchError> {
        features.f_to_kind(self.kind)?.f_linear(&self.weight, Some(&self.bias))?.f_to_kind(Kind::Float)
    }
}
