//! The optimizers of PyTorch, on LibTorch's fused kernels, with a state that can be saved.
//!
//! [`Sgd`] is `torch.optim.SGD` without dampening; [`AdamW`] is Loshchilov and Hutter, "Decoupled Weight Decay
//! Regularization", ICLR 2019, algorithm 2, as in `torch.optim.AdamW`. As in PyTorch, weight decay applies to every
//! parameter that it is given, biases and batch normalization included.

use tch::{TchError, Tensor};

use super::aten::{self, AdamWStep, SgdStep};
use crate::networks::{Law, NamedTensor, Part, Role};
use augtrial_plan::classifier::{AdamW, Optimizer as Rule, Sgd};

/// An optimizer with its state. State tensors are named after the parameter, e.g. `conv1.weight.momentum`.
#[derive(Debug)]
pub struct Optimizer {
    rule: Rule,
    body: Group,
    head: Group,
}

/// Learning rates of one update.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Of everything but the head.
    pub body: f64,
    pub head: f64,
}

/// Parameters of one learning rate.
#[derive(Debug)]
struct Group {
    /// Of the parameters.
    names: Vec<(String, Part)>,
    parameters: Vec<Tensor>,
    /// What is remembered of each parameter: a name, and one tensor a parameter.
    memory: Vec<(&'static str, Vec<Tensor>)>,
}

impl Optimizer {
    /// Takes charge of the parameters among `tensors` that require gradients. All state begins at zero.
    ///
    /// # Errors
    /// Whatever LibTorch reports.
    pub fn new(rule: Rule, tensors: &[NamedTensor]) -> Result<Self, TchError> {
        let trained = |named: &&NamedTensor| named.role == Role::Parameter && named.tensor.requires_grad();
        let (head, body) = tensors.iter().filter(trained).partition::<Vec<_>, _>(|named| named.part == Part::Head);
        Ok(Self { rule, body: Group::new(rule, &body)?, head: Group::new(rule, &head)? })
    }

    /// Drops every gradient; to be called before a backward pass.
    ///
    /// # Errors
    /// Whatever LibTorch reports.
    pub fn drop_gradients(&mut self) -> Result<(), TchError> {
        aten::drop_gradients(&self.body.parameters)?;
        aten::drop_gradients(&self.head.parameters)
    }

    /// Applies one update with the gradients at hand. `update` counts from 1.
    ///
    /// # Errors
    /// Whatever LibTorch reports, such as a parameter without a gradient.
    pub fn step(&mut self, update: u64, rates: Rates) -> Result<(), TchError> {
        self.body.step(self.rule, update, rates.body)?;
        self.head.step(self.rule, update, rates.head)
    }

    /// The state under its names. The tensors share memory with the optimizer.
    #[must_use]
    pub fn named_tensors(&self) -> Vec<NamedTensor> {
        [&self.body, &self.head].into_iter().flat_map(Group::named_tensors).collect()
    }
}

impl Group {
    fn new(rule: Rule, named: &[&NamedTensor]) -> Result<Self, TchError> {
        let parameters: Vec<Tensor> = named.iter().map(|named| named.tensor.shallow_clone()).collect();
        aten::order_gradients(&parameters)?;
        // `zeros_like` keeps the layout, as the kernels require.
        let zeros = |name| (name, parameters.iter().map(|parameter| parameter.detach().zeros_like()).collect());
        let memory = match rule {
            Rule::Sgd(_) => vec![zeros("momentum")],
            Rule::Adamw(_) => vec![zeros("mean"), zeros("mean_square")],
        };
        let names = named.iter().map(|named| (named.name.clone(), named.part)).collect();
        Ok(Self { names, parameters, memory })
    }

    fn step(&self, rule: Rule, update: u64, learning_rate: f64) -> Result<(), TchError> {
        if self.parameters.is_empty() {
            return Ok(());
        }
        let gradients: Vec<Tensor> = self.parameters.iter().map(Tensor::grad).collect();
        match (rule, self.memory.as_slice()) {
            (Rule::Sgd(Sgd { learning_rate: _, momentum, weight_decay, nesterov }), [(_, momenta)]) => {
                let step = SgdStep { weight_decay, momentum, learning_rate, nesterov };
                aten::sgd(&self.parameters, &gradients, momenta, step)
            }
            (Rule::Adamw(rule), [(_, means), (_, mean_squares)]) => {
                let AdamW { learning_rate: _, beta1, beta2, epsilon, weight_decay } = rule;
                let step = AdamWStep { update, learning_rate, beta1, beta2, weight_decay, epsilon };
                aten::adamw(&self.parameters, &gradients, means, mean_squares, step)
            }
            _ => unreachable!("memory is made for the rule"),
        }
    }

    fn named_tensors(&self) -> Vec<NamedTensor> {
        let mut named = Vec::new();
        for (what, tensors) in &self.memory {
            named.extend(self.names.iter().zip(tensors).map(|((name, part), tensor)| NamedTensor {
                name: format!("{name}.{what}"),
                role: Role::Memory,
                part: *part,
                law: Law::Constant(0.0),
                tensor: tensor.shallow_clone(),
            }));
        }
        named
    }
}
