//! Networks: what training and evaluation ask of one ([`Network`]), and the constructor of each row of
//! [`augtrial_plan::networks::NETWORKS`].
//!
//! To add one: its file here, its line in [`CONSTRUCTORS`], its row in that table, and a fixture that holds its scores
//! to those of a reference.

mod conv_norm;
mod efficientnet_lite;
mod linear;
pub mod resnet;
pub mod script;
mod tensors;

#[cfg(test)]
pub mod tests;

use efficientnet_lite::EfficientNetLite;
pub use linear::{FoldedLinear, Linear};
use resnet::{ResNet, ResNetLayout};
pub use tensors::{Law, NamedTensor, Part, Role, channels_last};

use tch::{Device, Kind, TchError, Tensor};

use augtrial_plan::classifier::{Freeze, Precision};
use augtrial_plan::networks::Network as Row;

/// Builds a network for a number of classes, its tensors on a device.
pub type Constructor = fn(classes: usize, device: Device) -> Box<dyn Network>;

/// The constructor of each network, by the name of its row.
const CONSTRUCTORS: [(&str, Constructor); 6] = [
    ("efficientnet-lite0", |classes, device| Box::new(EfficientNetLite::new(classes, device))),
    ("resnet18", |classes, device| Box::new(ResNet::new(ResNetLayout::RESNET18, classes, device))),
    ("resnet20", |classes, device| Box::new(ResNet::new(ResNetLayout::RESNET20, classes, device))),
    ("resnet34", |classes, device| Box::new(ResNet::new(ResNetLayout::RESNET34, classes, device))),
    ("resnet50", |classes, device| Box::new(ResNet::new(ResNetLayout::RESNET50, classes, device))),
    ("resnet56", |classes, device| Box::new(ResNet::new(ResNetLayout::RESNET56, classes, device))),
];

/// The constructor of a network that an experiment names.
#[must_use]
pub fn constructor(row: &Row) -> Constructor {
    let of_row = CONSTRUCTORS.iter().find(|(name, _)| *name == row.name);
    of_row.expect("every row of the table has a constructor, which a test holds").1
}

/// Whether layers behave as in training (batch normalization uses the batch, and moves its running statistics) or as in
/// evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Train,
    Evaluate,
}

/// What is done to the values `[N, ...]` that a stage gives; it gives as many of the same shape.
pub type Change<'a> = &'a dyn Fn(&Tensor) -> Result<Tensor, TchError>;

/// A classifier that can be trained: a trunk, which makes features of images, and a head, which makes scores of features.
///
/// The mode is an argument of each pass, so a network whose layers keep a mode of their own sets it there. Whatever is
/// frozen is computed as in [`Mode::Evaluate`], in either mode.
pub trait Network {
    /// Features `[N, F]` of normalized images `[N, 3, H, W]`, both f32 on the network's device.
    ///
    /// # Errors
    /// Whatever LibTorch reports, such as memory running out.
    fn trunk(&self, images: &Tensor, mode: Mode) -> Result<Tensor, TchError>;

    /// Class scores `[N, classes]` of features `[N, F]`, both f32 on the network's device.
    ///
    /// # Errors
    /// Whatever LibTorch reports.
    fn head(&self, features: &Tensor) -> Result<Tensor, TchError>;

    /// Class scores `[N, classes]` of normalized images `[N, 3, H, W]`, both f32 on the network's device.
    ///
    /// # Errors
    /// Whatever LibTorch reports, such as memory running out.
    fn forward(&self, images: &Tensor, mode: Mode) -> Result<Tensor, TchError> {
        self.head(&self.trunk(images, mode)?)
    }

    /// As [`trunk`](Self::trunk), with `change` applied to what stage `stage`, counted from 1, gives; the last may be the features. A network
    /// whose trunk is one piece has its features after it.
    ///
    /// # Errors
    /// Whatever LibTorch or `change` reports.
    fn trunk_changed(
        &self,
        images: &Tensor,
        mode: Mode,
        _stage: usize,
        change: Change<'_>,
    ) -> Result<Tensor, TchError> {
        change(&self.trunk(images, mode)?)
    }

    /// As [`forward`](Self::forward), with `change` applied to what stage `stage` gives; 0 is the images.
    ///
    /// # Errors
    /// Whatever LibTorch or `change` reports.
    fn forward_changed(
        &self,
        images: &Tensor,
        mode: Mode,
        stage: usize,
        change: Change<'_>,
    ) -> Result<Tensor, TchError> {
        match stage {
            0 => self.forward(&change(images)?, mode),
            _ => self.head(&self.trunk_changed(images, mode, stage, change)?),
        }
    }

    /// Every parameter and every buffer that a result depends on, in a fixed order, with what training must know of it.
    /// The tensors share memory with the network; names are those of the weights' files.
    fn tensors(&self) -> Vec<NamedTensor>;

    /// Whether a weights' file may hold a tensor of this name beside [`tensors`](Self::tensors): no result depends on it.
    fn ignores(&self, _name: &str) -> bool {
        false
    }

    /// Whether a pass in [`Mode::Train`] draws from LibTorch's generator, as dropout does. Whoever trains then seeds it before
    /// every pass, so that what is drawn depends on the update alone.
    fn has_random_layers(&self) -> bool {
        false
    }

    /// From now on, leaves a part as it is: its parameters have no gradients, and its layers behave as in evaluation.
    fn freeze(&mut self, freeze: Freeze);

    /// The network as it is now, for evaluation alone: about what [`forward`](Self::forward) with [`Mode::Evaluate`] gives,
    /// in fewer passes over memory. Later changes of the network do not reach it.
    ///
    /// # Errors
    /// Whatever LibTorch reports.
    fn folded(&self, precision: Precision) -> Result<Box<dyn Folded>, TchError>;

    /// The head as it is now, for evaluation alone.
    ///
    /// # Errors
    /// Whatever LibTorch reports.
    fn folded_head(&self, precision: Precision) -> Result<Box<dyn FoldedHead>, TchError>;
}

/// A head for evaluation alone.
pub trait FoldedHead {
    /// Class scores `[N, classes]`, f32, of features `[N, F]`, f32.
    ///
    /// # Errors
    /// Whatever LibTorch reports.
    fn scores(&self, features: &Tensor) -> Result<Tensor, TchError>;
}

/// A network for evaluation alone.
pub trait Folded: FoldedHead {
    /// What the head sees of images `[N, 3, H, W]`, f32: features `[N, F]`, f32. In bf16 their values are bf16's.
    ///
    /// # Errors
    /// Whatever LibTorch reports, such as memory running out.
    fn features(&self, images: &Tensor) -> Result<Tensor, TchError>;

    /// Class scores `[N, classes]`, f32, of normalized images `[N, 3, H, W]`, f32.
    ///
    /// # Errors
    /// Whatever LibTorch reports, such as memory running out.
    fn forward(&self, images: &Tensor) -> Result<Tensor, TchError> {
        self.scores(&self.features(images)?)
    }
}

/// The kind of tensors that a network of this precision is evaluated in.
fn kind_of(precision: Precision) -> Kind {
    match precision {
        Precision::Fp32 => Kind::Float,
        Precision::Bf16 => Kind::BFloat16,
    }
}
