//! Looking at images with a network that is trained: its features, and its probabilities where its head is for the classes.

use std::sync::atomic::Ordering;

use tch::Device;

use super::device::{loaders, resolve_device};
use super::evaluate::Evaluator;
use super::failure::Failure;
use super::pretrained::{self, Head};
use crate::networks::script::ScriptNetwork;
use crate::networks::{Network, constructor};
use augtrial_trial::{SeeRequest, Seen, Seer, TrainError};

/// Of a head that judges nothing.
const NO_CLASSES: usize = 2;

/// What a network sees in images.
///
/// # Errors
/// [`TrainError::Interrupted`] when `request.stop` is set, and whatever loading or LibTorch reports.
pub fn see(request: &SeeRequest<'_>) -> Result<Seen, TrainError> {
    Ok(seen(request, resolve_device(request.device)?)?)
}

fn seen(request: &SeeRequest<'_>, device: Device) -> Result<Seen, Failure> {
    let network = loaded(request, device)?;
    let folded = network.folded(request.precision)?;
    let evaluator = Evaluator {
        input: request.input,
        normalization: match request.seer {
            Seer::Table { row, .. } => row.normalization,
            Seer::File { file, .. } => file.normalization(),
        },
        eval_resize_px: request.eval_resize_px,
        precision: request.precision,
        classes: request.classes.unwrap_or(NO_CLASSES),
        workers: loaders(device, request.workers),
        device,
    };
    let stopped = || request.stop.load(Ordering::Relaxed);
    let go_on = || if stopped() { Err(TrainError::Interrupted { epochs: 0, updates: 0 }.into()) } else { Ok(()) };
    let table = evaluator.features(folded.as_ref(), request.images, go_on)?;
    let mut probabilities = Vec::new();
    if request.classes.is_some() {
        let judged = evaluator.evaluate_features(folded.as_ref(), &table, request.images)?;
        probabilities = judged.verdicts.into_iter().flat_map(|verdict| verdict.probabilities).collect();
    }
    let (width, features) = table.into_rows();
    Ok(Seen { width, features, probabilities })
}

/// The network with its weights; with a head that was trained for the classes, if it is to judge.
fn loaded(request: &SeeRequest<'_>, device: Device) -> Result<Box<dyn Network>, TrainError> {
    let classes = request.classes.unwrap_or(NO_CLASSES);
    let (network, name, weights): (Box<dyn Network>, _, _) = match request.seer {
        Seer::Table { row, weights } => (constructor(row)(classes, device), row.name, Some(weights)),
        Seer::File { file, weights } => {
            let network = ScriptNetwork::load(file, classes, device)?;
            (Box::new(network), file.manifest().source.name.as_str(), weights)
        }
    };
    let Some(path) = weights else { return Ok(network) };
    let head = pretrained::load(path, name, network.as_ref())?;
    if head == Head::Remade && request.classes.is_some() {
        return Err(TrainError::PretrainedMisfit {
            path: path.to_owned(),
            architecture: name.to_owned(),
            problem: format!("its head is not for {classes} classes"),
        });
    }
    Ok(network)
}
