//! Tensors of a network under their names, and what the network states of each: its role, its part, its initial values.

use tch::Tensor;

use augtrial_plan::classifier::Freeze;

/// What a tensor is to training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Moved by the optimizer.
    Parameter,
    /// Moved by the forward pass in training mode, such as running statistics of batch normalization.
    Buffer,
    /// What the optimizer remembers of a parameter.
    Memory,
}

/// Where in the network a tensor stands, as far as training treats places differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What comes before the first stage.
    Stem,
    Body,
    /// What makes scores of features: made anew for other classes, with a learning rate of its own.
    Head,
}

impl Part {
    /// Whether the part stays as it is.
    #[must_use]
    pub fn is_frozen(self, freeze: Freeze) -> bool {
        match freeze {
            Freeze::None => false,
            Freeze::Stem => self == Self::Stem,
            Freeze::AllButHead => self != Self::Head,
        }
    }
}

/// How the initial values of a tensor are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Law {
    Constant(f64),
    /// Not at all: the network came with them.
    Kept,
    /// Around zero.
    Normal {
        deviation: f64,
    },
    /// Within `-bound..bound`.
    Uniform {
        bound: f64,
    },
}

/// A tensor under its name in weights' files. Shares memory with what it is of.
#[derive(Debug)]
pub struct NamedTensor {
    pub name: String,
    pub role: Role,
    pub part: Part,
    pub law: Law,
    pub tensor: Tensor,
}

impl NamedTensor {
    /// The same tensor once more.
    #[must_use]
    pub fn shared(&self) -> Self {
        Self { name: self.name.clone(), tensor: self.tensor.shallow_clone(), ..*self }
    }
}

/// Ends the gradients of everything that is frozen.
///
/// The backward pass then ends where frozen parameters begin, and the optimizer, which takes charge of parameters with
/// gradients alone, neither remembers nor decays them.
pub(super) fn end_gradients(tensors: &[NamedTensor], freeze: Freeze) {
    for named in tensors.iter().filter(|named| named.part.is_frozen(freeze)) {
        let _the_same_tensor = named.tensor.set_requires_grad(false);
    }
}

/// The tensor as channels-last: the values and the logical shape `[N, C, H, W]` stay, memory is ordered `N, H, W, C`.
///
/// Convolutions on the CPU are faster so; tch has no call for memory formats, so it is done by permuting.
pub fn channels_last(tensor: &Tensor) -> Tensor {
    tensor.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frozen_part_is_the_stem_or_all_but_the_head() {
        let frozen = |freeze| [Part::Stem, Part::Body, Part::Head].map(|part| part.is_frozen(freeze));
        assert_eq!(frozen(Freeze::None), [false; 3]);
        assert_eq!(frozen(Freeze::Stem), [true, false, false]);
        assert_eq!(frozen(Freeze::AllButHead), [true, true, false]);
    }
}
