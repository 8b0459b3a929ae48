//! Transfer learning: which tensors of a pretrained network stay as they are.
//!
//! Frozen parameters require no gradient, so the backward pass ends where they begin, and the optimiser, which takes charge of
//! parameters with gradients alone, neither remembers nor decays them. Frozen batch normalisation uses its running
//! statistics and leaves them: Chollet, "Transfer learning & fine-tuning", Keras guides, section "`BatchNormalization` and
//! `trainable`"; likewise torchvision's `FrozenBatchNorm2d`. With statistics that move, features would not be fixed.

use super::state::NamedTensor;
use crate::plan::classifier::Freeze;

/// The convolution and the batch normalisation before the first stage.
const STEM: [&str; 2] = ["conv1.", "bn1."];
/// The linear layer after the pooling.
const HEAD: &str = "fc.";

/// Whether a tensor, under torchvision's name, stays as it is.
#[must_use]
pub(super) fn is_frozen(freeze: Freeze, name: &str) -> bool {
    match freeze {
        Freeze::None => false,
        Freeze::Stem => STEM.iter().any(|prefix| name.starts_with(prefix)),
        Freeze::AllButHead => !is_head(name),
    }
}

/// Whether a tensor belongs to the head.
#[must_use]
pub(super) fn is_head(name: &str) -> bool {
    name.starts_with(HEAD)
}

/// Ends the gradients of everything that is frozen. The tensors share memory with their network.
pub(super) fn end_gradients(tensors: &[NamedTensor], freeze: Freeze) {
    for named in tensors.iter().filter(|named| is_frozen(freeze, &named.name)) {
        let _the_same_tensor = named.tensor.set_requires_grad(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stem_is_the_first_convolution_and_its_norm_and_the_head_is_the_linear_layer() {
        let frozen = |freeze| {
            let names = ["conv1.weight", "bn1.bias", "layer1.0.conv1.weight", "layer4.1.bn2.running_mean", "fc.bias"];
            names.map(|name| is_frozen(freeze, name))
        };
        assert_eq!(frozen(Freeze::None), [false; 5]);
        assert_eq!(frozen(Freeze::Stem), [true, true, false, false, false]);
        assert_eq!(frozen(Freeze::AllButHead), [true, true, true, true, false]);
    }
}
