//! The linear head, which most classifiers have, and its form for evaluation.

use tch::{Device, Kind, TchError, Tensor};

use super::{FoldedHead, Law, NamedTensor, Part, Role, kind_of};
use augtrial_plan::classifier::Precision;

/// A linear layer from features to scores.
#[derive(Debug)]
pub struct Linear {
    /// `[classes, F]`
    weight: Tensor,
    /// `[classes]`
    bias: Tensor,
}

/// A linear head for evaluation alone.
#[derive(Debug)]
pub struct FoldedLinear {
    kind: Kind,
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    /// A layer whose values are zero.
    #[must_use]
    pub fn new(inputs: i64, outputs: i64, device: Device) -> Self {
        let options = (Kind::Float, device);
        Self {
            weight: Tensor::zeros([outputs, inputs], options).set_requires_grad(true),
            bias: Tensor::zeros([outputs], options).set_requires_grad(true),
        }
    }

    /// Scores `[N, classes]` of features `[N, F]`.
    ///
    /// # Errors
    /// Whatever LibTorch reports.
    pub fn forward(&self, features: &Tensor) -> Result<Tensor, TchError> {
        features.f_linear(&self.weight, Some(&self.bias))
    }

    /// A copy for evaluation, rounded to `precision`.
    ///
    /// # Errors
    /// Whatever LibTorch reports.
    pub fn folded(&self, precision: Precision) -> Result<FoldedLinear, TchError> {
        let kind = kind_of(precision);
        tch::no_grad(|| {
            // `to_kind` alone would share the memory where nothing is to be rounded.
            let copied = |tensor: &Tensor| tensor.f_detach_copy()?.f_to_kind(kind);
            Ok(FoldedLinear { kind, weight: copied(&self.weight)?, bias: copied(&self.bias)? })
        })
    }

    /// Both tensors as the head's, below the module `name`.
    ///
    /// Drawn as by PyTorch's `Linear`: `W, b ~ U(-1 / sqrt(fan_in), 1 / sqrt(fan_in))`.
    #[must_use]
    pub fn tensors(&self, name: &str) -> [NamedTensor; 2] {
        let law = Law::Uniform { bound: 1.0 / (self.weight.size()[1] as f64).sqrt() };
        let named = |what: &str, tensor: &Tensor| NamedTensor {
            name: format!("{name}.{what}"),
            role: Role::Parameter,
            part: Part::Head,
            law,
            tensor: tensor.shallow_clone(),
        };
        [named("weight", &self.weight), named("bias", &self.bias)]
    }
}

impl FoldedHead for FoldedLinear {
    fn scores(&self, features: &Tensor) -> Result<Tensor, TchError> {
        features.f_to_kind(self.kind)?.f_linear(&self.weight, Some(&self.bias))?.f_to_kind(Kind::Float)
    }
}
