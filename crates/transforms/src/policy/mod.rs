//! What the policies share: their operations, how strong each is, and the tables of `AutoAugment`.

mod operation;
mod space;
mod tables;

pub(crate) use operation::Operation;
pub(crate) use space::{FOURTEEN, Posterize, Space, Translate, signed};
pub(crate) use tables::{CIFAR10, IMAGENET, SVHN, Step};
