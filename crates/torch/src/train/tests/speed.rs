//! How long a batch takes to be made (`cargo test -p augtrial-torch -- --ignored --nocapture assembling`), and a step of a network
//! from a file (`benches/peers/networks.py`, which runs it beside PyTorch).

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use tch::{Device, Kind, Tensor};

use augtrial_base::digest::Digest;
use augtrial_base::seed::StudySeed;
use augtrial_data::pixels::{PixelBlock, PixelStore};
use augtrial_data::samples::{Sample, TrainingSet};
use augtrial_plan::classifier::{Budget, Optimizer as Rule, Sgd};
use augtrial_plan::networks::NetworkFile;
use augtrial_trial::preprocess::{InputSize, Normalization};
use augtrial_trial::timetable::Timetable;

use super::images::unchanged;
use crate::networks::script::ScriptNetwork;
use crate::networks::{Mode, Network as _, channels_last};
use crate::train::batches::TrainingBatches;
use crate::train::device::set_threads;
use crate::train::init::initialize;
use crate::train::optimizer::{Optimizer, Rates};

const BATCH: usize = 32;
const ROUNDS: u64 = 60;

fn set(width_px: u32, height_px: u32) -> TrainingSet {
    let image_bytes = width_px as usize * height_px as usize * 3;
    let bytes: Vec<u8> = (0..BATCH * image_bytes).map(|index| (index * 31 % 251) as u8).collect();
    let sample = |pixels: usize| {
        let digest = Digest::of_bytes(&pixels.to_le_bytes());
        Sample { pixels, label: 0, image: digest, source: digest, path: format!("{pixels}.png"), derived: false }
    };
    let mut store = PixelStore::new(width_px, height_px);
    store.push(Arc::new(PixelBlock::from_memory(width_px, height_px, bytes)));
    TrainingSet::for_tests((0..BATCH).map(sample).collect(), store)
}

#[test]
#[ignore = "a measurement, not a check"]
fn assembling_a_batch_takes_this_long() {
    for (width_px, height_px) in [(96, 72), (224, 224)] {
        let (set, unchanged) = (set(width_px, height_px), unchanged());
        let batches = TrainingBatches {
            set: &set,
            timetable: Timetable::new(Budget::Epochs(ROUNDS as u32), BATCH as u32, BATCH, BATCH),
            input: InputSize { width_px, height_px },
            normalization: Normalization::IMAGENET,
            classes: 6,
            transforms: &unchanged,
            mix: None,
            features: None,
            study_seed: StudySeed(1),
            seed: 1,
            recipe: Digest::of_bytes(b"recipe"),
        };
        let mut stage = batches.stager(tch::Device::Cpu);
        let mut times: Vec<f64> = (0..ROUNDS)
            .map(|update| {
                let start = Instant::now();
                stage(update).unwrap();
                start.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        times.sort_by(f64::total_cmp);
        let (median, least) = (times[times.len() / 2], times[0]);
        eprintln!("{width_px}x{height_px}: median {median:.2} ms, least {least:.2} ms");
    }
}

/// `AUGTRIAL_SPEED` holds a network's folder, the batch size, the steps and the threads.
#[test]
#[ignore = "a measurement, not a check"]
fn a_step_of_a_network_from_a_file_takes_this_long() {
    let asked = std::env::var("AUGTRIAL_SPEED").expect("benches/peers/networks.py sets it");
    let mut asked = asked.split(' ');
    let file = NetworkFile::open(Path::new(asked.next().unwrap())).unwrap();
    let [batch, steps, threads] = std::array::from_fn(|_| asked.next().unwrap().parse::<u32>().unwrap());
    set_threads(threads);
    let network = ScriptNetwork::load(&file, 6, Device::Cpu).unwrap();
    let tensors = network.tensors();
    initialize(&tensors, StudySeed(1), 1);
    let rule = Rule::Sgd(Sgd { learning_rate: 1e-3, weight_decay: 0.0, ..Sgd::default() });
    let mut optimizer = Optimizer::new(rule, &tensors);
    let input = &file.manifest().input;
    let size = [i64::from(batch), 3, i64::from(input.height_px), i64::from(input.width_px)];
    let images = channels_last(&Tensor::randn(size, (Kind::Float, Device::Cpu)));
    let labels = Tensor::arange(i64::from(batch), (Kind::Int64, Device::Cpu)).remainder(6);
    let mut times: Vec<f64> = (1..=steps + 2)
        .map(|update| {
            let start = Instant::now();
            optimizer.drop_gradients().unwrap();
            network.forward(&images, Mode::Train).unwrap().cross_entropy_for_logits(&labels).backward();
            optimizer.step(update.into(), Rates { body: 1e-3, head: 1e-3 }).unwrap();
            start.elapsed().as_secs_f64() * 1e3
        })
        .skip(2)
        .collect();
    times.sort_by(f64::total_cmp);
    eprintln!("ms a step: {:.1}", times[times.len() / 2]);
}
