//! How many trials run at once, on how many threads each.
//!
//! Threads decide a result's last bits, jobs do not. So the threads follow from the plan, the machine's cores and what was
//! asked alone; what varies from one moment to the next, free memory and what is left to do, changes only the number of
//! jobs.

use super::machine::Machine;
use super::memory;
use crate::estimate::step_gmacs;
use augtrial_base::progress::human_bytes;
use augtrial_plan::Plan;
use augtrial_plan::arm::Arm;
use augtrial_plan::classifier::Precision;

/// Multiply-adds of a training step, in 1e9, that a thread must have to be worth its waiting for the others. Measured on two
/// cores with ResNet18 by `benches/peers/jobs.py`, whose table is in docs/jobs.md.
const GMACS_PER_THREAD: f64 = 16.0;

/// Share of the free memory that workers may take.
const MEMORY_SHARE: f64 = 0.8;

/// Trials at once on a GPU, and the parts that its machine's cores are divided into for them: more gain little
/// (docs/gpu.md).
const GPU_JOBS: u32 = 4;

/// How a study's work is shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crew {
    /// Trials at once; one is run by this process itself.
    pub jobs: u32,
    /// Threads of each.
    pub threads: u32,
}

/// A crew, and why it is so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    pub crew: Crew,
    pub why: String,
    /// What may go wrong with what was asked for.
    pub warning: Option<String>,
}

/// What is left to do of a study.
#[derive(Clone, Debug, Default)]
pub struct Left<'a> {
    pub trials: usize,
    /// Arms whose sets are not made yet.
    pub arms: Vec<&'a Arm>,
}

/// Chooses the crew of a study.
pub fn choose(plan: &Plan, asked: Option<u32>, machine: Machine, left: &Left<'_>) -> Choice {
    let cores = machine.cores.max(1);
    let (threads, mut why) = threads(plan, asked, machine);
    let mut jobs = asked.unwrap_or_else(|| match machine.gpu {
        _ if plan.classifier.command.is_some() => 1,
        Some(_) => GPU_JOBS,
        None => (cores / threads).max(1),
    });
    let mut warnings = Vec::new();
    if threads > cores {
        warnings.push(format!(
            "`threads = {threads}` on {cores} {}: threads that wait for a core make training slower, not faster",
            if cores == 1 { "core" } else { "cores" }
        ));
    }
    for (memory, free_bytes, needed) in memories(plan, machine, left) {
        let fitting = free_bytes.map_or(u32::MAX, |free| ((free as f64 * MEMORY_SHARE) / needed as f64) as u32).max(1);
        if fitting < jobs {
            let enough = format!("{memory} for {fitting} at once, at {} each", human_bytes(needed));
            if asked.is_some() {
                warnings.push(format!("{enough}: {jobs} jobs may not fit"));
            } else {
                (jobs, why) = (fitting, format!("{why}; {enough}"));
            }
        }
    }
    let units = u32::try_from(left.trials + left.arms.len()).unwrap_or(u32::MAX);
    if units < jobs {
        (jobs, why) = (units.max(1), format!("{why}; no more is left to do"));
    }
    let warning = (!warnings.is_empty()).then(|| warnings.join("; "));
    Choice { crew: Crew { jobs, threads }, why, warning }
}

/// The memories that jobs share: name, what is free of it, and what the largest job needs.
fn memories(plan: &Plan, machine: Machine, left: &Left<'_>) -> Vec<(&'static str, Option<u64>, u64)> {
    let needed = left.arms.iter().map(|arm| memory::of_editor(plan, arm)).fold(memory::of_trial(plan), u64::max);
    let main = ("memory", machine.free_bytes, needed);
    let gpu = machine.gpu.map(|gpu| ("GPU memory", gpu.free_bytes, memory::GPU_CONTEXT_BYTES + needed));
    std::iter::once(main).chain(gpu).collect()
}

/// Threads of a trial, and why.
fn threads(plan: &Plan, asked: Option<u32>, machine: Machine) -> (u32, String) {
    let cores = machine.cores.max(1);
    match (plan.classifier.threads, asked) {
        (Some(threads), _) => (threads, "as many threads as the plan says".to_owned()),
        (None, Some(jobs)) => ((cores / jobs.max(1)).max(1), "as many jobs as asked".to_owned()),
        (None, None) if plan.classifier.command.is_some() => {
            (cores, "trials of a command follow one another, since what one needs is not known".to_owned())
        }
        (None, None) if machine.gpu.is_some() => {
            ((cores / GPU_JOBS).max(1), format!("up to {GPU_JOBS} trials share the GPU and the cores"))
        }
        (None, None) => {
            let gmacs = step_gmacs(plan);
            let enough = GMACS_PER_THREAD * speed(plan.classifier.precision);
            let useful = (gmacs / enough).floor().clamp(1.0, f64::from(cores)) as u32;
            // Threads that divide the cores leave none of them idle.
            let threads = (useful..=cores).find(|threads| cores.is_multiple_of(*threads)).unwrap_or(cores);
            let keeps = if threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") };
            (threads, format!("a training step of {gmacs:.1} billion multiply-adds keeps {keeps} busy"))
        }
    }
}

/// How many times as fast as in fp32 a multiply-add is: the faster a step, the more of it is waiting.
fn speed(precision: Precision) -> f64 {
    match precision {
        Precision::Fp32 => 1.0,
        Precision::Bf16 => 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::machine::Gpu;

    const GIB: u64 = 1 << 30;

    fn plan(batch: u32, threads: &str) -> Plan {
        let text = format!(
            "[study]\nname = \"s\"\nseeds = [1, 2, 3]\n[dataset.synthetic]\nimages = 60\n[classifier]\nbatch_size = {batch}\n\
             {threads}\n[classifier.budget]\nepochs = 1\n[[arm]]\nname = \"c\"\nrole = \"control\"\n"
        );
        Plan::parse("test", &text, std::path::PathBuf::new(), &[]).unwrap()
    }

    fn seeing(plan: &Plan, (width_px, height_px): (u32, u32)) -> Plan {
        let mut plan = plan.clone();
        let input = &mut plan.classifier.input;
        (input.width_px, input.height_px) = (Some(width_px), Some(height_px));
        plan
    }

    fn machine(cores: u32, gib: u64) -> Machine {
        Machine { cores, free_bytes: Some(gib * GIB), gpu: None }
    }

    fn crew(plan: &Plan, size: (u32, u32), asked: Option<u32>, machine: Machine, trials: usize) -> (u32, u32) {
        let plan = seeing(plan, size);
        let Crew { jobs, threads } = choose(&plan, asked, machine, &Left { trials, ..Left::default() }).crew;
        (jobs, threads)
    }

    #[test]
    fn small_steps_run_side_by_side_and_large_ones_one_after_another() {
        let (small, large) = (plan(16, ""), plan(32, ""));
        assert_eq!(crew(&small, (64, 48), None, machine(2, 24), 9), (2, 1));
        assert_eq!(crew(&large, (128, 96), None, machine(2, 24), 9), (1, 2));
        assert_eq!(crew(&large, (128, 96), None, machine(8, 24), 9), (4, 2));
        assert_eq!(crew(&large, (224, 224), None, machine(8, 24), 9), (1, 8));
        assert_eq!(crew(&plan(32, "precision = \"bf16\""), (128, 96), None, machine(8, 24), 9), (8, 1), "faster steps");
    }

    #[test]
    fn memory_and_what_is_left_change_the_jobs_and_never_the_threads() {
        let small = plan(16, "");
        assert_eq!(crew(&small, (64, 48), None, machine(8, 64), 9), (8, 1));
        assert_eq!(crew(&small, (64, 48), None, machine(8, 2), 9), (2, 1));
        assert_eq!(crew(&small, (64, 48), None, machine(8, 0), 9), (1, 1));
        assert_eq!(crew(&small, (64, 48), None, machine(8, 64), 3), (3, 1));
        assert_eq!(crew(&small, (64, 48), None, machine(8, 64), 0), (1, 1));
        let unknown = Machine { cores: 4, free_bytes: None, gpu: None };
        assert_eq!(crew(&small, (64, 48), None, unknown, 9), (4, 1));
    }

    #[test]
    fn what_was_asked_is_given_and_a_plans_threads_are_kept() {
        let small = plan(16, "");
        assert_eq!(crew(&small, (64, 48), Some(1), machine(8, 64), 9), (1, 8));
        assert_eq!(crew(&small, (64, 48), Some(3), machine(8, 64), 9), (3, 2));
        assert_eq!(crew(&small, (64, 48), Some(4), machine(2, 64), 9), (4, 1));
        let pinned = plan(16, "threads = 2");
        assert_eq!(crew(&pinned, (64, 48), None, machine(8, 64), 9), (4, 2));
        assert_eq!(crew(&pinned, (64, 48), Some(8), machine(8, 64), 9), (8, 2));
    }

    #[test]
    fn too_many_jobs_for_the_memory_are_warned_of() {
        let choice =
            choose(&seeing(&plan(16, ""), (64, 48)), Some(8), machine(8, 1), &Left { trials: 9, ..Left::default() });
        assert_eq!(choice.crew.jobs, 8);
        assert!(choice.warning.unwrap().contains("memory for 1 at once"));
    }

    #[test]
    fn more_threads_than_cores_are_warned_of() {
        let warning = |threads: u32, cores: u32| {
            let plan = seeing(&plan(16, &format!("threads = {threads}")), (64, 48));
            choose(&plan, None, machine(cores, 64), &Left { trials: 9, ..Left::default() }).warning
        };
        assert!(warning(64, 2).unwrap().contains("`threads = 64` on 2 cores"));
        assert_eq!(warning(2, 2), None);
    }

    #[test]
    fn trials_share_a_gpu_as_far_as_its_memory_goes() {
        let gpu = |gib: u64| Machine { gpu: Some(Gpu { free_bytes: Some(gib * GIB) }), ..machine(8, 64) };
        let small = plan(16, "");
        assert_eq!(crew(&small, (64, 48), None, gpu(80), 9), (4, 2));
        assert_eq!(crew(&small, (64, 48), None, gpu(4), 9), (2, 2), "the threads stay");
        assert_eq!(crew(&small, (64, 48), Some(2), gpu(80), 9), (2, 4));
        let choice = choose(&seeing(&small, (64, 48)), Some(8), gpu(4), &Left { trials: 9, ..Left::default() });
        assert_eq!(choice.warning.unwrap(), "GPU memory for 2 at once, at 1.2 GB each: 8 jobs may not fit");
    }
}
