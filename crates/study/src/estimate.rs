//! How long a study may take, and how much disk: from past runs on this registry where there are any.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::PathBuf;
use std::time::Duration;

use augtrial_base::digest::Digest;
use augtrial_base::events::RunEvent;
use augtrial_plan::Plan;
use augtrial_plan::classifier::{Architecture, Budget, Classifier, CustomNetwork, Freeze, Kernels, Precision};
use augtrial_registry::{Filter, Registry, RegistryError, RunId, StatusKind, this_host};
use augtrial_trial::kernels;

/// A training step is a forward pass and two passes of its size backward.
const PASSES_PER_STEP: f64 = 3.0;
/// Two operations a multiply-add.
const OPERATIONS_PER_MAC: f64 = 2.0;
/// What one thread of a current CPU was measured to sustain in this work, in 1e9 operations a second.
const GFLOPS_PER_THREAD: f64 = 75.0;
/// Size of a photo-like PNG against its raw pixels.
const PNG_SHARE: f64 = 0.75;

/// Past runs that are looked at, the newest.
const RUNS_LOOKED_AT: usize = 200;

/// Where an estimate comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Basis {
    /// So many finished runs on this machine of the same network, precision, threads, input and batch size.
    Same(usize),
    /// So many finished runs on this machine of the same network, precision and threads, scaled by the input's area.
    Similar(usize),
    /// The network's operations and a typical rate: right within a factor of a few.
    Operations,
    /// Nothing: a command that has not finished a trial on this machine yet. The time is zero.
    Nothing,
}

/// Training samples of one trial, epochs and updates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Work {
    pub(super) epochs: u64,
    pub(super) updates: u64,
    pub(super) samples: u64,
}

/// What the budget means for an arm of `images` training images, of which `originals` are distinct originals. What no
/// number can hold is as large as numbers are: nobody trains for so long, and a plan says so.
pub(super) fn work(plan: &Plan, images: u64, originals: u64) -> Work {
    let batch = u64::from(plan.classifier.batch_size);
    let per_pass = images.div_ceil(batch).max(1);
    match plan.classifier.budget {
        Budget::Epochs(epochs) => {
            let epochs = u64::from(epochs);
            Work { epochs, updates: epochs.saturating_mul(per_pass), samples: epochs.saturating_mul(images) }
        }
        Budget::Updates(updates) => {
            let period = originals.div_ceil(batch).max(1);
            let samples = (updates / per_pass).saturating_mul(images).saturating_add((updates % per_pass) * batch);
            Work { epochs: updates.div_ceil(period), updates, samples }
        }
    }
}

/// Multiply-adds of one update, in 1e9.
pub(super) fn step_gmacs(plan: &Plan) -> f64 {
    let (width_px, height_px) = plan.input_px();
    let area = f64::from(width_px) * f64::from(height_px) / (224.0 * 224.0);
    plan.network_traits().forward_gmacs * PASSES_PER_STEP * area * f64::from(plan.classifier.batch_size)
}

/// Time that one process may take for so many samples of training on so many threads, with evaluation and checkpoints.
/// `emulated` says that the processor has no units for the plan's precision.
pub(super) fn training_time(
    plan: &Plan,
    registry: &Registry,
    past: &PastRuns,
    (samples, threads): (u64, u32),
    emulated: bool,
) -> Result<(Duration, Basis), RegistryError> {
    let kind = Workload::of(plan, threads);
    let (width_px, height_px) = plan.input_px();
    let asked = f64::from(width_px) * f64::from(height_px);
    let past = past.rates(registry, &kind)?;
    let input = (width_px, height_px, kind.batch_size);
    let same: Vec<Rate> = past.iter().copied().filter(|rate| rate.input == input).collect();
    let (secs_per_sample, basis) = match (mean(&same), mean(&past)) {
        (Some(rate), _) => (asked * rate, Basis::Same(same.len())),
        (None, Some(rate)) => (asked * rate, Basis::Similar(past.len())),
        (None, None) if kind.command.is_some() => (0.0, Basis::Nothing),
        (None, None) => {
            let gmacs = step_gmacs(plan) / f64::from(kind.batch_size);
            let slowdown = if emulated { kernels::EMULATED_BF16_SLOWDOWN } else { 1.0 };
            (gmacs * OPERATIONS_PER_MAC * slowdown / (GFLOPS_PER_THREAD * f64::from(threads)), Basis::Operations)
        }
    };
    Ok((Duration::try_from_secs_f64(samples as f64 * secs_per_sample).unwrap_or(Duration::MAX), basis))
}

/// What decides how fast a machine trains, but for the input's size.
#[derive(Clone, Debug, PartialEq)]
struct Workload {
    architecture: Option<Architecture>,
    network: Option<CustomNetwork>,
    precision: Precision,
    kernels: Kernels,
    freeze: Freeze,
    batch_size: u32,
    threads: u32,
    /// Of the command and its settings.
    command: Option<Digest>,
}

impl Workload {
    fn of(plan: &Plan, threads: u32) -> Self {
        let Classifier { architecture, precision, kernels, freeze, batch_size, ref command, ref network, .. } =
            plan.classifier;
        let command =
            command.as_ref().map(|command| Digest::of_value("command-kind", &(&command.run, &command.settings)));
        Self { architecture, network: network.clone(), precision, kernels, freeze, batch_size, threads, command }
    }

    /// Whether rates of one, scaled by the area of the input, tell of the other.
    fn is_like(&self, other: &Self) -> bool {
        Self { batch_size: other.batch_size, ..self.clone() } == *other
    }
}

/// How long a run took for a pixel of a training image.
#[derive(Clone, Copy, Debug)]
struct Rate {
    /// Width, height and batch size.
    input: (u32, u32, u32),
    secs: f64,
    pixels: f64,
}

/// Seconds for a pixel; none without runs.
fn mean(rates: &[Rate]) -> Option<f64> {
    let sum = |of: fn(&Rate) -> f64| rates.iter().map(of).sum::<f64>();
    let pixels = sum(|rate| rate.pixels);
    (pixels > 0.0).then(|| sum(|rate| rate.secs) / pixels)
}

/// The newest finished runs on this machine, each read when it is first of use.
#[derive(Default)]
pub(super) struct PastRuns(OnceCell<Vec<PastRun>>);

struct PastRun {
    run: RunId,
    workload: Workload,
    /// Width, height and batch size.
    input: (u32, u32, u32),
    /// What it took, if it says so.
    cost: OnceCell<Option<Rate>>,
}

impl PastRuns {
    /// Rates of the runs that are like `kind`.
    fn rates(&self, registry: &Registry, kind: &Workload) -> Result<Vec<Rate>, RegistryError> {
        if self.0.get().is_none() {
            let _ = self.0.set(past_runs(registry)?);
        }
        let mut rates = Vec::new();
        for past in self.0.get().into_iter().flatten().filter(|past| past.workload.is_like(kind)) {
            if past.cost.get().is_none() {
                let _ = past.cost.set(past.rate(registry)?);
            }
            rates.extend(past.cost.get().copied().flatten());
        }
        Ok(rates)
    }
}

impl PastRun {
    fn rate(&self, registry: &Registry) -> Result<Option<Rate>, RegistryError> {
        let cost = registry.events(self.run)?.into_iter().find_map(|event| match event {
            RunEvent::Cost { cost } => Some(cost),
            _ => None,
        });
        let (width_px, height_px, _) = self.input;
        Ok(cost.map(|cost| {
            let pixels = cost.training_images as f64 * f64::from(width_px) * f64::from(height_px);
            Rate { input: self.input, secs: cost.total_secs(), pixels }
        }))
    }
}

fn past_runs(registry: &Registry) -> Result<Vec<PastRun>, RegistryError> {
    let finished = Filter { status: Some(StatusKind::Finished), ..Filter::default() };
    let (mut plans, mut past, host) = (BTreeMap::new(), Vec::new(), this_host());
    for run in registry.list(&finished)?.iter().take(RUNS_LOOKED_AT).filter(|run| run.host == host) {
        let plan = match plans.entry(run.plan) {
            Entry::Occupied(known) => known.into_mut(),
            // A plan that this program no longer understands tells nothing.
            Entry::Vacant(new) => {
                let toml = registry.plan_toml(&run.plan)?.unwrap_or_default();
                new.insert(Plan::parse(&run.study, &toml, PathBuf::new(), &[]).ok())
            }
        };
        let Some(plan) = plan else { continue };
        let workload = Workload::of(plan, registry.provenance(run.run)?.threads);
        let (width_px, height_px) = plan.input_px();
        let input = (width_px, height_px, workload.batch_size);
        past.push(PastRun { run: run.run, workload, input, cost: OnceCell::new() });
    }
    Ok(past)
}

/// Bytes of the decoded pixels of `kept` images, and of the PNG files of `derived` ones.
pub(super) fn disk_bytes(plan: &Plan, kept: u64, derived: u64) -> u64 {
    let raw = u64::from(plan.ingest.width_px) * u64::from(plan.ingest.height_px) * 3;
    let files = ((raw as f64 * PNG_SHARE) as u64).saturating_mul(derived);
    raw.saturating_mul(kept).saturating_add(files)
}
