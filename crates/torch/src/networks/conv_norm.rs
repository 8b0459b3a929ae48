//! A convolution without bias, then batch normalization: what most image classifiers are built of, and its form for
//! evaluation.
//!
//! For evaluation, batch normalization is folded into the convolution: with running statistics it is a fixed affine map of
//! each channel, and so part of the convolution before it (Jacob et al., "Quantization and Training of Neural Networks for
//! Efficient Integer-Arithmetic-Only Inference", CVPR 2018, section 3.2). That saves two passes over every activation.

use tch::{Device, Kind, TchError, Tensor};

use super::{Law, Mode, NamedTensor, Part, Role, channels_last};

/// What a convolution is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Convolution {
    pub(super) stride: i64,
    pub(super) padding: Padding,
    /// Channels are divided into so many groups; as many as there are, in a depthwise convolution.
    pub(super) groups: i64,
}

/// How a convolution treats the border.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Padding {
    /// So many zeros on every side.
    Even(i64),
    /// TensorFlow's `SAME`: as many zeros as give `ceil(side / stride)` values; of an odd number, one more at the end.
    Same,
}

/// Settings of batch normalization.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Normalizing {
    /// Share of a batch's statistics in the running ones.
    pub(super) momentum: f64,
    pub(super) epsilon: f64,
}

/// A convolution without bias, then batch normalization.
#[derive(Debug)]
pub(super) struct ConvNorm {
    kernel: Tensor,
    convolution: Convolution,
    normalizing: Normalizing,
    weight: Tensor,
    bias: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
}

/// A convolution with bias, for evaluation alone.
#[derive(Debug)]
pub(super) struct FoldedConv {
    kernel: Tensor,
    bias: Tensor,
    convolution: Convolution,
}

impl Convolution {
    /// As many values as there are, or of every `stride`-th place; centered.
    pub(super) fn centered(kernel_px: i64, stride: i64) -> Self {
        Self { stride, padding: Padding::Even(kernel_px / 2), groups: 1 }
    }

    fn apply(self, x: &Tensor, kernel: &Tensor, bias: Option<&Tensor>) -> Result<Tensor, TchError> {
        let [height, width, kernel_height, kernel_width] =
            [x.size()[2], x.size()[3], kernel.size()[2], kernel.size()[3]];
        let [(top, bottom), (left, right)] = [self.margins(height, kernel_height), self.margins(width, kernel_width)];
        let convolve = |x: &Tensor, padding: [i64; 2]| {
            x.f_conv2d(kernel, bias, [self.stride, self.stride], padding, [1, 1], self.groups)
        };
        if (top, left) == (bottom, right) {
            convolve(x, [top, left])
        } else {
            convolve(&x.f_constant_pad_nd([left, right, top, bottom])?, [0, 0])
        }
    }

    /// Zeros before and after a side of the image.
    fn margins(self, side: i64, kernel_px: i64) -> (i64, i64) {
        match self.padding {
            Padding::Even(margin) => (margin, margin),
            Padding::Same => {
                let outputs = (side + self.stride - 1) / self.stride;
                let margin = ((outputs - 1) * self.stride + kernel_px - side).max(0);
                (margin / 2, margin - margin / 2)
            }
        }
    }
}

impl ConvNorm {
    /// A layer whose tensors are zero, but for batch normalization's weights and variances, which are one.
    pub(super) fn new(
        [inputs, outputs, kernel_px]: [i64; 3],
        convolution: Convolution,
        normalizing: Normalizing,
        device: Device,
    ) -> Self {
        let options = (Kind::Float, device);
        let kernel = Tensor::zeros([outputs, inputs / convolution.groups, kernel_px, kernel_px], options);
        Self {
            kernel: channels_last(&kernel).set_requires_grad(true),
            convolution,
            normalizing,
            weight: Tensor::ones([outputs], options).set_requires_grad(true),
            bias: Tensor::zeros([outputs], options).set_requires_grad(true),
            running_mean: Tensor::zeros([outputs], options),
            running_var: Tensor::ones([outputs], options),
        }
    }

    pub(super) fn forward(&self, x: &Tensor, mode: Mode) -> Result<Tensor, TchError> {
        let x = self.convolution.apply(x, &self.kernel, None)?;
        x.f_batch_norm(
            Some(&self.weight),
            Some(&self.bias),
            Some(&self.running_mean),
            Some(&self.running_var),
            mode == Mode::Train,
            self.normalizing.momentum,
            self.normalizing.epsilon,
            true,
        )
    }

    /// `W ~ N(0, 2 / fan_out)`, `fan_out = outputs * kernel area / groups`: He et al., "Delving Deep into Rectifiers", ICCV
    /// 2015, equation 14 (backward case), as in torchvision.
    fn law(&self) -> Law {
        let size = self.kernel.size();
        let fan_out = (size[0] * size[2] * size[3]) / self.convolution.groups;
        Law::Normal { deviation: (2.0 / fan_out as f64).sqrt() }
    }

    /// The five tensors below the modules `conv` and `norm`.
    pub(super) fn tensors(&self, part: Part, conv: &str, norm: &str) -> [NamedTensor; 5] {
        let named = |name: String, role, law, tensor: &Tensor| NamedTensor {
            name,
            role,
            part,
            law,
            tensor: tensor.shallow_clone(),
        };
        let [one, zero] = [Law::Constant(1.0), Law::Constant(0.0)];
        [
            named(format!("{conv}.weight"), Role::Parameter, self.law(), &self.kernel),
            named(format!("{norm}.weight"), Role::Parameter, one, &self.weight),
            named(format!("{norm}.bias"), Role::Parameter, zero, &self.bias),
            named(format!("{norm}.running_mean"), Role::Buffer, zero, &self.running_mean),
            named(format!("{norm}.running_var"), Role::Buffer, one, &self.running_var),
        ]
    }

    /// Convolution and normalization as one convolution: `k' = k s`, `b' = beta - mean s` with
    /// `s = gamma / sqrt(variance + epsilon)` of each output channel, computed in f32 and then rounded to `kind`.
    pub(super) fn folded(&self, kind: Kind) -> Result<FoldedConv, TchError> {
        let scale = self.weight.f_div(&self.running_var.f_add_scalar(self.normalizing.epsilon)?.f_sqrt()?)?;
        let bias = self.bias.f_sub(&self.running_mean.f_mul(&scale)?)?;
        // `to_kind` and the product keep the kernel's layout, channels-last.
        let kernel = self.kernel.f_mul(&scale.f_view([-1, 1, 1, 1])?)?;
        let (kernel, bias) = (kernel.f_to_kind(kind)?, bias.f_to_kind(kind)?);
        Ok(FoldedConv { kernel, bias, convolution: self.convolution })
    }
}

impl FoldedConv {
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor, TchError> {
        self.convolution.apply(x, &self.kernel, Some(&self.bias))
    }
}
