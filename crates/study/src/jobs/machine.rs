//! What the machine offers to a study, as far as it decides how many trials run at once and whether they are slow.

use std::path::Path;

use super::program::WorkerProgram;
use augtrial_plan::Plan;
use augtrial_plan::arm::{Arm, Edit, EditorPrecision};
use augtrial_plan::classifier::{Classifier, Device, Precision};
use augtrial_trial::kernels;

/// What the drivers of GPUs show of themselves.
const DRIVERS: [&str; 3] = ["/proc/driver/nvidia/version", "/dev/nvidia0", "/dev/dxg"];

/// Cores, memory and device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    pub cores: u32,
    /// Memory that could be had without swapping; unknown where the system does not say.
    pub free_bytes: Option<u64>,
    /// Where training runs on a GPU.
    pub gpu: Option<Gpu>,
}

/// The GPU that trains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gpu {
    /// Its memory that no process uses; unknown where only a command knows the GPU.
    pub free_bytes: Option<u64>,
}

impl Machine {
    /// This machine, as it is now.
    fn here(device: Device, worker: Option<&WorkerProgram>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
        let info = std::fs::read_to_string("/proc/meminfo").ok();
        Self { cores, free_bytes: info.as_deref().and_then(available_bytes), gpu: gpu(device, worker) }
    }

    /// This machine for a plan. A command says nothing of its device before it runs: it has a GPU where there is a driver.
    pub fn for_plan(plan: &Plan, worker: Option<&WorkerProgram>) -> Self {
        let Classifier { device, ref command, .. } = plan.classifier;
        if command.is_none() {
            return Self::here(device, worker);
        }
        let has_gpu = device != Device::Cpu && has_driver();
        Self { gpu: has_gpu.then_some(Gpu { free_bytes: None }), ..Self::here(Device::Cpu, None) }
    }
}

/// What the plan asks for and this machine can do only slowly, one sentence each.
pub fn slow_here(plan: &Plan, machine: Machine) -> Vec<String> {
    let kernels = plan.classifier.kernels;
    let training = emulates_training(plan, machine).then(|| kernels::bf16_warning(kernels)).flatten();
    let emulated = machine.gpu.is_none() && kernels::emulates_bf16(kernels) == Some(true);
    let in_bf16 = |arm: &&Arm| matches!(&arm.edit, Some(Edit::Ip2p(ip2p)) if ip2p.precision == EditorPrecision::Bf16);
    let edits = plan.arms.iter().filter(|_| emulated).filter(in_bf16).map(|arm| {
        format!(
            "arm {}: edits in bf16 are emulated here and take longer than in fp32; use `precision = \"bundle\"`",
            arm.name
        )
    });
    training.into_iter().chain(edits).collect()
}

/// Whether training computes in a precision that this machine emulates.
pub fn emulates_training(plan: &Plan, machine: Machine) -> bool {
    let Classifier { precision, kernels, .. } = plan.classifier;
    precision == Precision::Bf16 && machine.gpu.is_none() && kernels::emulates_bf16(kernels) == Some(true)
}

/// `MemAvailable` of the kernel (`proc_meminfo(5)`): free memory and what it would give back of its caches.
fn available_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

fn has_driver() -> bool {
    DRIVERS.iter().any(|path| Path::new(path).exists())
}

/// The GPU that the worker would train on. Only the worker can tell, and it takes a while to start, so it is asked only where
/// there is a driver.
fn gpu(device: Device, worker: Option<&WorkerProgram>) -> Option<Gpu> {
    let worker = worker.filter(|_| device != Device::Cpu && has_driver())?;
    let setup = worker.setup(device).ok()?;
    (setup.device != "cpu").then_some(Gpu { free_bytes: setup.gpu_free_bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bf16_under_pinned_kernels_is_told_to_be_slow_and_fp32_is_not() {
        let plan = |lines: &str| {
            let text = format!(
                "[study]\nname = \"s\"\nseeds = [1]\n[dataset.synthetic]\nimages = 60\n[classifier]\n{lines}\n\
                 [classifier.budget]\nepochs = 1\n[[arm]]\nname = \"c\"\nrole = \"control\"\n"
            );
            Plan::parse("test", &text, std::path::PathBuf::new(), &[]).unwrap()
        };
        let machine = Machine { cores: 2, free_bytes: None, gpu: None };
        let bf16 = plan("precision = \"bf16\"\nkernels = \"avx2\"");
        let told = slow_here(&bf16, machine);
        assert!(told.len() == 1 && told[0].contains("10.7 times as long as fp32"), "{told:?}");
        assert!(emulates_training(&bf16, machine));
        assert!(
            slow_here(&bf16, Machine { gpu: Some(Gpu { free_bytes: None }), ..machine }).is_empty(),
            "GPUs have units"
        );
        assert!(slow_here(&plan("kernels = \"avx2\""), machine).is_empty());
    }

    #[test]
    fn available_memory_is_read_as_the_kernel_writes_it() {
        let text = "MemTotal:       24684764 kB\nMemFree:         1000 kB\nMemAvailable:   24183840 kB\n";
        assert_eq!(available_bytes(text), Some(24_183_840 * 1024));
        assert_eq!(available_bytes("MemTotal: 1 kB\n"), None);
    }
}
