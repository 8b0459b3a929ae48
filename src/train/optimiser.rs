//! The optimisers of PyTorch, written out, because tch cannot read back the state of LibTorch's own.
//!
//! [`Sgd`] is `torch.optim.SGD` without dampening; [`AdamW`] is Loshchilov and Hutter, "Decoupled Weight Decay
//! Regularization", ICLR 2019, algorithm 2, as in `torch.optim.AdamW`. As in PyTorch, weight decay applies to every
//! parameter that it is given, biases and batch normalisation included.

use tch::Tensor;

use super::state::{NamedTensor, Role};
use crate::plan::classifier::{AdamW, Optimizer, Sgd};

/// An optimiser with its state. State tensors are named after the parameter, e.g. `conv1.weight.momentum`.
#[derive(Debug)]
pub struct Optimiser {
    rule: Optimizer,
    slots: Vec<Slot>,
}

/// One parameter and what the optimiser remembers of it.
#[derive(Debug)]
struct Slot {
    name: String,
    parameter: Tensor,
    memory: Memory,
}

#[derive(Debug)]
enum Memory {
    Sgd { momentum: Tensor },
    AdamW { mean: Tensor, mean_square: Tensor },
}

impl Optimiser {
    /// Takes charge of the parameters among `tensors`. All state begins at zero.
    #[must_use]
    pub fn new(rule: Optimizer, tensors: &[NamedTensor]) -> Self {
        let slot = |named: &NamedTensor| {
            // `zeros_like` keeps the layout, so that updates run over memory in order.
            let zeros = || named.tensor.detach().zeros_like();
            let memory = match rule {
                Optimizer::Sgd(_) => Memory::Sgd { momentum: zeros() },
                Optimizer::Adamw(_) => Memory::AdamW { mean: zeros(), mean_square: zeros() },
            };
            Slot { name: named.name.clone(), parameter: named.tensor.shallow_clone(), memory }
        };
        Self { rule, slots: tensors.iter().filter(|named| named.role == Role::Parameter).map(slot).collect() }
    }

    /// Clears every gradient.
    pub fn zero_gradients(&mut self) {
        for slot in &mut self.slots {
            slot.parameter.zero_grad();
        }
    }

    /// Applies one update with the gradients at hand. `update` counts from 1.
    pub fn step(&mut self, update: u64, learning_rate: f64) {
        tch::no_grad(|| {
            for Slot { parameter, memory, .. } in &mut self.slots {
                let gradient = parameter.grad();
                match (&self.rule, memory) {
                    (Optimizer::Sgd(rule), Memory::Sgd { momentum }) => {
                        sgd(rule, learning_rate, parameter, &gradient, momentum);
                    }
                    (Optimizer::Adamw(rule), Memory::AdamW { mean, mean_square }) => {
                        adamw(rule, learning_rate, update, parameter, &gradient, mean, mean_square);
                    }
                    _ => unreachable!("memory is made for the rule"),
                }
            }
        });
    }

    /// The state under its names. The tensors share memory with the optimiser.
    #[must_use]
    pub fn named_tensors(&self) -> Vec<NamedTensor> {
        let named = |slot: &Slot, what: &str, tensor: &Tensor| NamedTensor {
            name: format!("{}.{what}", slot.name),
            role: Role::Buffer,
            tensor: tensor.shallow_clone(),
        };
        let of_slot = |slot: &Slot| match &slot.memory {
            Memory::Sgd { momentum } => vec![named(slot, "momentum", momentum)],
            Memory::AdamW { mean, mean_square } => {
                vec![named(slot, "mean", mean), named(slot, "mean_square", mean_square)]
            }
        };
        self.slots.iter().flat_map(of_slot).collect()
    }
}

/// One step of stochastic gradient descent on `w`, in place; `m` is the momentum buffer, zero before the first step.
fn sgd(rule: &Sgd, learning_rate: f64, w: &mut Tensor, gradient: &Tensor, m: &mut Tensor) {
    // g <- g + decay * w
    let mut g = &*w * rule.weight_decay;
    g += gradient;
    // m <- momentum * m + g
    *m *= rule.momentum;
    *m += &g;
    // w <- w - rate * m, or with Nesterov: w <- w - rate * (g + momentum * m)
    *w -= if rule.nesterov { (g + &*m * rule.momentum) * learning_rate } else { &*m * learning_rate };
}

/// One step of `AdamW` on `w`, in place; `m` and `v` are the running means of the gradient and of its square.
fn adamw(rule: &AdamW, learning_rate: f64, update: u64, w: &mut Tensor, g: &Tensor, m: &mut Tensor, v: &mut Tensor) {
    // w <- (1 - rate * decay) * w
    *w *= 1.0 - learning_rate * rule.weight_decay;
    // m <- m + (1 - beta1) * (g - m)
    let _ = m.lerp_(g, 1.0 - rule.beta1);
    // v <- beta2 * v + (1 - beta2) * g^2
    *v *= rule.beta2;
    *v += g * g * (1.0 - rule.beta2);
    // w <- w - rate * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)
    let correction = |beta: f64| 1.0 - beta.powf(update as f64);
    let mut denominator = v.sqrt();
    denominator /= correction(rule.beta2).sqrt();
    denominator += rule.epsilon;
    *w -= &*m / denominator * (learning_rate / correction(rule.beta1));
}
