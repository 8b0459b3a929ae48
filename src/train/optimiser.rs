//! The optimisers of PyTorch, on LibTorch's fused kernels, with a state that can be saved.
//!
//! [`Sgd`] is `torch.optim.SGD` without dampening; [`AdamW`] is Loshchilov and Hutter, "Decoupled Weight Decay
//! Regularization", ICLR 2019, algorithm 2, as in `torch.optim.AdamW`. As in PyTorch, weight decay applies to every
//! parameter that it is given, biases and batch normalisation included.

use tch::{TchError, Tensor};

use super::aten::{self, AdamWStep, SgdStep};
use super::state::{NamedTensor, Role};
use crate::plan::classifier::{AdamW, Optimizer, Sgd};

/// An optimiser with its state. State tensors are named after the parameter, e.g. `conv1.weight.momentum`.
#[derive(Debug)]
pub struct Optimiser {
    rule: Optimizer,
    /// Of the parameters.
    names: Vec<String>,
    parameters: Vec<Tensor>,
    /// What is remembered of each parameter: a name, and one tensor a parameter.
    memory: Vec<(&'static str, Vec<Tensor>)>,
}

impl Optimiser {
    /// Takes charge of the parameters among `tensors`. All state begins at zero.
    #[must_use]
    pub fn new(rule: Optimizer, tensors: &[NamedTensor]) -> Self {
        let parameters = || tensors.iter().filter(|named| named.role == Role::Parameter);
        // `zeros_like` keeps the layout, as the kernels require.
        let zeros = |name| (name, parameters().map(|named| named.tensor.detach().zeros_like()).collect());
        let memory = match rule {
            Optimizer::Sgd(_) => vec![zeros("momentum")],
            Optimizer::Adamw(_) => vec![zeros("mean"), zeros("mean_square")],
        };
        Self {
            rule,
            names: parameters().map(|named| named.name.clone()).collect(),
            parameters: parameters().map(|named| named.tensor.shallow_clone()).collect(),
            memory,
        }
    }

    /// Clears every gradient.
    pub fn zero_gradients(&mut self) {
        self.parameters.iter_mut().for_each(Tensor::zero_grad);
    }

    /// Applies one update with the gradients at hand. `update` counts from 1.
    ///
    /// # Errors
    /// Whatever LibTorch reports, such as a parameter without a gradient.
    pub fn step(&mut self, update: u64, learning_rate: f64) -> Result<(), TchError> {
        let gradients: Vec<Tensor> = self.parameters.iter().map(Tensor::grad).collect();
        match (self.rule, self.memory.as_slice()) {
            (Optimizer::Sgd(Sgd { learning_rate: _, momentum, weight_decay, nesterov }), [(_, momenta)]) => {
                let step = SgdStep { weight_decay, momentum, learning_rate, nesterov };
                aten::sgd(&self.parameters, &gradients, momenta, step)
            }
            (Optimizer::Adamw(rule), [(_, means), (_, mean_squares)]) => {
                let AdamW { learning_rate: _, beta1, beta2, epsilon, weight_decay } = rule;
                let step = AdamWStep { update, learning_rate, beta1, beta2, weight_decay, epsilon };
                aten::adamw(&self.parameters, &gradients, means, mean_squares, step)
            }
            _ => unreachable!("memory is made for the rule"),
        }
    }

    /// The state under its names. The tensors share memory with the optimiser.
    #[must_use]
    pub fn named_tensors(&self) -> Vec<NamedTensor> {
        let mut named = Vec::new();
        for (what, tensors) in &self.memory {
            named.extend(self.names.iter().zip(tensors).map(|(name, tensor)| NamedTensor {
                name: format!("{name}.{what}"),
                role: Role::Buffer,
                tensor: tensor.shallow_clone(),
            }));
        }
        named
    }
}
