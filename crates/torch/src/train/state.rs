//! Tensors on the host: what a network and an optimizer consist of, its digest, and its form in safetensors files.

use std::collections::BTreeMap;

use safetensors::tensor::{Dtype, TensorView};
use tch::{Kind, Tensor};

use crate::networks::NamedTensor;
use augtrial_base::digest::{Digest, DigestBuilder};

const DIGEST_DOMAIN: &str = "weights-v1";

/// A tensor's values on the host, row-major, whatever its layout and device were.
#[derive(Clone, Debug, PartialEq)]
pub struct HostTensor {
    pub shape: Vec<usize>,
    /// Little-endian f32.
    bytes: Vec<u8>,
}

/// Tensors on the host by name, so in the order of names.
pub type HostState = BTreeMap<String, HostTensor>;

impl HostTensor {
    /// Copies an f32 tensor of any layout and device.
    #[must_use]
    pub fn of(tensor: &Tensor) -> Self {
        // `contiguous` undoes channels-last: files and digests hold row-major values.
        let tensor = tensor.detach().to_device(tch::Device::Cpu).to_kind(Kind::Float).contiguous();
        const { assert!(cfg!(target_endian = "little"), "files and digests hold little-endian values") };
        let mut bytes = vec![0; tensor.numel() * size_of::<f32>()];
        tensor.copy_data_u8(&mut bytes, tensor.numel());
        Self { shape: tensor.size().iter().map(|&n| n as usize).collect(), bytes }
    }

    /// Reads a view of a safetensors file; every floating type is converted to f32.
    ///
    /// # Errors
    /// `Err(dtype)` if the values are not floats.
    pub fn read(view: &TensorView<'_>) -> Result<Self, Dtype> {
        let kind = match view.dtype() {
            Dtype::F32 => Kind::Float,
            Dtype::F64 => Kind::Double,
            Dtype::F16 => Kind::Half,
            Dtype::BF16 => Kind::BFloat16,
            other => return Err(other),
        };
        if kind == Kind::Float {
            return Ok(Self { shape: view.shape().to_vec(), bytes: view.data().to_vec() });
        }
        let size: Vec<i64> = view.shape().iter().map(|&n| n as i64).collect();
        Ok(Self::of(&Tensor::from_data_size(view.data(), &size, kind)))
    }

    /// The values as a safetensors view.
    ///
    /// # Panics
    /// Never: bytes and shape agree by construction.
    #[must_use]
    pub fn view(&self) -> TensorView<'_> {
        TensorView::new(Dtype::F32, self.shape.clone(), &self.bytes).expect("bytes and shape agree")
    }

    /// Overwrites `target`, which keeps its layout and device.
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn write_to(&self, target: &Tensor) {
        let size: Vec<i64> = self.shape.iter().map(|&n| n as i64).collect();
        assert_eq!(size, target.size(), "a tensor is overwritten by one of its own shape");
        let values = Tensor::from_data_size(&self.bytes, &size, Kind::Float);
        tch::no_grad(|| target.shallow_clone().copy_(&values));
    }
}

/// Copies every tensor to the host.
#[must_use]
pub fn to_host(tensors: &[NamedTensor]) -> HostState {
    tensors.iter().map(|named| (named.name.clone(), HostTensor::of(&named.tensor))).collect()
}

/// SHA-256 over names, shapes and raw little-endian f32 values, in the order of names.
#[must_use]
pub fn digest(state: &HostState) -> Digest {
    let mut builder = DigestBuilder::new(DIGEST_DOMAIN);
    for (name, tensor) in state {
        builder.field(name.as_bytes());
        for &extent in &tensor.shape {
            builder.field(&(extent as u64).to_le_bytes());
        }
        builder.field(&tensor.bytes);
    }
    builder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::channels_last;

    fn state(values: &[f32]) -> HostState {
        let tensor = HostTensor::of(&Tensor::from_slice(values));
        BTreeMap::from([("a".to_owned(), tensor)])
    }

    #[test]
    fn values_do_not_depend_on_the_layout() {
        let rows = Tensor::arange(24, (Kind::Float, tch::Device::Cpu)).view([1, 2, 3, 4]);
        assert_eq!(HostTensor::of(&rows), HostTensor::of(&channels_last(&rows)));
        assert_eq!(channels_last(&rows).stride(), [24, 1, 8, 2]);
    }

    #[test]
    fn the_digest_sees_names_shapes_and_every_bit() {
        let one = state(&[1.0, 2.0]);
        let renamed = BTreeMap::from([("b".to_owned(), one["a"].clone())]);
        let reshaped = BTreeMap::from([("a".to_owned(), HostTensor { shape: vec![2, 1], ..one["a"].clone() })]);
        let others = [&renamed, &reshaped, &state(&[1.0, 2.0_f32.next_up()]), &state(&[1.0, -2.0])];
        assert!(others.iter().all(|other| digest(other) != digest(&one)));
        assert_eq!(digest(&state(&[1.0, 2.0])), digest(&one));
    }

    #[test]
    fn writing_keeps_the_layout_of_the_target() {
        let rows = Tensor::arange(24, (Kind::Float, tch::Device::Cpu)).view([1, 2, 3, 4]);
        let target = channels_last(&rows.zeros_like());
        HostTensor::of(&rows).write_to(&target);
        assert_eq!(target.stride(), [24, 1, 8, 2]);
        assert_eq!(HostTensor::of(&target), HostTensor::of(&rows));
    }

    #[test]
    fn half_precision_files_are_widened() {
        let half = [0x00_u8, 0x3c, 0x00, 0xc0]; // 1.0 and -2.0 in IEEE binary16
        let view = TensorView::new(Dtype::F16, vec![2], &half).unwrap();
        assert_eq!(HostTensor::read(&view).unwrap(), state(&[1.0, -2.0])["a"]);
        let view = TensorView::new(Dtype::I16, vec![2], &half).unwrap();
        assert_eq!(HostTensor::read(&view).unwrap_err(), Dtype::I16);
    }
}
