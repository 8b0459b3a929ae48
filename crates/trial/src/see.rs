//! What a network sees in images that it is not trained on: features, and what it takes them for.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use augtrial_data::samples::EvaluationSet;
use augtrial_plan::classifier::{Device, Precision};
use augtrial_plan::networks::{Network, NetworkFile};

use crate::preprocess::InputSize;

/// Which network looks.
#[derive(Clone, Copy, Debug)]
pub enum Seer<'a> {
    /// A network of the table, with the weights in this file.
    Table { row: &'static Network, weights: &'a Path },
    /// A network from a file, with its own weights or those in another file.
    File { file: &'a NetworkFile, weights: Option<&'a Path> },
}

/// What is to be looked at, and how.
pub struct SeeRequest<'a> {
    pub seer: Seer<'a>,
    /// Classes that its head was trained for, if it is to judge; else only features are asked for.
    pub classes: Option<usize>,
    pub images: &'a EvaluationSet,
    pub input: InputSize,
    /// See `Input::eval_resize_px`.
    pub eval_resize_px: Option<u32>,
    pub precision: Precision,
    pub device: Device,
    /// Threads that prepare batches; the result does not depend on their number.
    pub workers: usize,
    /// Asked before every batch.
    pub stop: &'a AtomicBool,
}

/// What a network saw, in the order of the images.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// Features of one image.
    pub width: usize,
    /// `[N, width]`.
    pub features: Vec<f32>,
    /// `[N, classes]`; empty if the head does not judge.
    pub probabilities: Vec<f32>,
}
