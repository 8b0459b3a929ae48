//! Mixing of what a stage of the network gives (Verma et al. 2019, equation 2).

use tch::{Device, Kind, TchError, Tensor};

use augtrial_plan::transform::HiddenMix;

/// The pairs of a batch as tensors.
#[derive(Debug)]
pub struct Blend {
    /// Stage after which values are mixed.
    pub stage: usize,
    /// `[N]`, f64.
    lambdas: Tensor,
    /// `[N]`, i64.
    partners: Tensor,
}

impl Blend {
    /// Of a batch whose values are on `device`.
    ///
    /// # Errors
    /// Whatever LibTorch reports.
    pub fn new(mix: &HiddenMix, device: Device) -> Result<Self, TchError> {
        let lambdas: Vec<f64> = mix.pairs.iter().map(|pair| pair.lambda).collect();
        let partners: Vec<i64> = mix.pairs.iter().map(|pair| pair.partner as i64).collect();
        Ok(Self {
            stage: mix.layer,
            lambdas: Tensor::f_from_slice(&lambdas)?.f_to_device(device)?,
            partners: Tensor::f_from_slice(&partners)?.f_to_device(device)?,
        })
    }

    /// `lambda x + (1 - lambda) x[partner]`, of values `[N, ...]`, in their kind.
    ///
    /// # Errors
    /// Whatever LibTorch reports.
    pub fn apply(&self, values: &Tensor) -> Result<Tensor, TchError> {
        let mut shape = vec![1; values.dim()];
        shape[0] = values.size()[0];
        let as_values = |share: Tensor| share.f_view(shape.as_slice())?.f_to_kind(values.kind());
        let (own, other) = (as_values(self.lambdas.shallow_clone())?, as_values(self.rest()?)?);
        values.f_mul(&own)?.f_add(&values.f_index_select(0, &self.partners)?.f_mul(&other)?)
    }

    fn rest(&self) -> Result<Tensor, TchError> {
        self.lambdas.f_ones_like()?.f_to_kind(Kind::Double)?.f_sub(&self.lambdas)
    }
}
