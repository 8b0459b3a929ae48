//! How long a batch takes to be made (`cargo test -p augtrial-torch -- --ignored --nocapture assembling`), and what
//! `benches/peers/networks.py` times beside PyTorch: steps of a network, and features of images.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use tch::{Device, Kind, Tensor};

use augtrial_base::digest::Digest;
use augtrial_base::seed::StudySeed;
use augtrial_data::pixels::{PixelBlock, PixelStore};
use augtrial_data::samples::{Sample, TrainingSet};
use augtrial_plan::classifier::{Budget, Optimizer as Rule, Precision, Sgd};
use augtrial_plan::networks::{NETWORKS, NetworkFile};
use augtrial_trial::preprocess::{InputSize, Normalization};
use augtrial_trial::timetable::Timetable;

use super::images::unchanged;
use crate::networks::script::ScriptNetwork;
use crate::networks::{Mode, Network, channels_last, constructor};
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

/// What `AUGTRIAL_SPEED` asks for: a network's folder, or the name of one that is built in, the batch size, the steps and the
/// threads.
struct Asked {
    network: Box<dyn Network>,
    /// A batch, `[N, 3, H, W]`.
    images: Tensor,
    steps: u32,
}

impl Asked {
    fn from_environment() -> Self {
        let asked = std::env::var("AUGTRIAL_SPEED").expect("benches/peers/networks.py sets it");
        let mut asked = asked.split(' ');
        let name = asked.next().unwrap();
        let [batch, steps, threads] = std::array::from_fn(|_| asked.next().unwrap().parse::<u32>().unwrap());
        set_threads(threads);
        let (network, [height_px, width_px]): (Box<dyn Network>, _) =
            if let Some(row) = NETWORKS.iter().find(|row| row.name == name) {
                (constructor(row)(6, Device::Cpu), [224; 2])
            } else {
                let file = NetworkFile::open(Path::new(name)).unwrap();
                let input = &file.manifest().input;
                let size = [input.height_px, input.width_px];
                (Box::new(ScriptNetwork::load(&file, 6, Device::Cpu).unwrap()), size)
            };
        initialize(&network.tensors(), StudySeed(1), 1);
        let size = [batch, 3, height_px, width_px].map(i64::from);
        let images = channels_last(&Tensor::randn(size, (Kind::Float, Device::Cpu)));
        Self { network, images, steps }
    }
}

/// Takes steps, counted from 1, after two that do not count, and says how long each took on a processor. Linux counts hundredths
/// of seconds (`proc_pid_stat(5)`, fields 14 and 15).
fn say_how_long(steps: u32, mut step: impl FnMut(u32)) {
    let spent_ms = || {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
        10.0 * fields.skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>()
    };
    (1..=2).for_each(&mut step);
    let start = spent_ms();
    (3..=steps + 2).for_each(&mut step);
    eprintln!("ms a step: {:.1}", (spent_ms() - start) / f64::from(steps));
}

#[test]
#[ignore = "a measurement, not a check"]
fn steps_of_training() {
    let Asked { network, images, steps } = Asked::from_environment();
    let rule = Rule::Sgd(Sgd { learning_rate: 1e-3, weight_decay: 0.0, ..Sgd::default() });
    let mut optimizer = Optimizer::new(rule, &network.tensors()).unwrap();
    let labels = Tensor::arange(images.size()[0], (Kind::Int64, Device::Cpu)).remainder(6);
    say_how_long(steps, |update| {
        optimizer.drop_gradients().unwrap();
        network.forward(&images, Mode::Train).unwrap().cross_entropy_for_logits(&labels).backward();
        optimizer.step(update.into(), Rates { body: 1e-3, head: 1e-3 }).unwrap();
    });
}

#[test]
#[ignore = "a measurement, not a check"]
fn features_for_a_head() {
    let Asked { network, images, steps } = Asked::from_environment();
    let folded = network.folded(Precision::Fp32).unwrap();
    say_how_long(steps, |_| {
        let _made = tch::no_grad(|| folded.features(&images)).unwrap();
    });
}
