//! Devices, threads, and what LibTorch runs on, for a run's provenance.
//!
//! Determinism. On the CPU every operation used here gives the same bits for the same LibTorch, the same CPU capability and
//! the same number of threads: sums are split among threads in a fixed way, and nothing draws from LibTorch's generator.
//! On CUDA, cuDNN may choose algorithms whose sums run in varying order; results there are close, and identical only with
//! [`use_deterministic_algorithms`].
//!
//! Waiting. LibTorch's OpenMP threads spin while they wait, which costs a factor of several when cores are shared.
//! `OMP_WAIT_POLICY=PASSIVE` stops that, but is read when the library is loaded, before `main`: it must be in the
//! environment of the process from the start.

use std::sync::Once;

use augtrial_base::words::plural;
use augtrial_plan::classifier::Device;
use augtrial_trial::{Setup, TrainError};

use crate::library;

/// Most threads that prepare batches for a GPU: each keeps a few batches ready in page-locked memory.
const MOST_GPU_LOADERS: usize = 8;

/// The variable that overrides LibTorch's choice of CPU kernels.
const CAPABILITY_OVERRIDE: &str = "ATEN_CPU_CAPABILITY";

/// The set-up as it is now; call it after [`set_threads`].
///
/// # Errors
/// [`TrainError::Device`].
pub fn setup_of(device: Device) -> Result<Setup, TrainError> {
    let device = resolve_device(device)?;
    let library = library::loaded();
    let gpu = match device {
        tch::Device::Cuda(index) => Some(index),
        _ => None,
    };
    Ok(Setup {
        libtorch: library.version.clone(),
        folder: library.folder.clone(),
        device: gpu.map_or_else(|| "cpu".to_owned(), |index| format!("cuda:{index}")),
        no_gpu: library::gpus().err().map(|reason| reason.to_string()),
        gpu_name: gpu.and_then(library::gpu_name),
        gpu_free_bytes: gpu.and_then(library::gpu_free_bytes),
        threads: tch::get_num_threads() as u32,
        cpu_capability: cpu_capability(),
        bit_identical: device == tch::Device::Cpu || library::is_deterministic(),
    })
}

/// Has every later operation of this process give the same bits each time, if `device` means a GPU: on a CPU they do so anyway,
/// and LibTorch would take other kernels there, too.
///
/// # Errors
/// [`TrainError::Device`].
pub fn use_deterministic_algorithms(device: Device) -> Result<(), TrainError> {
    if resolve_device(device)?.is_cuda() {
        library::use_deterministic_algorithms();
    }
    Ok(())
}

/// The device that a plan means.
///
/// # Errors
/// [`TrainError::Device`] if it is a CUDA device that LibTorch does not see.
pub fn resolve_device(device: Device) -> Result<tch::Device, TrainError> {
    // Asked for in any case: LibTorch keeps its first answer about GPUs.
    let gpus = library::gpus();
    let reason = match (device, gpus) {
        (Device::Cpu, _) | (Device::Auto, Err(_)) => return Ok(tch::Device::Cpu),
        (Device::Auto, Ok(_)) => return Ok(tch::Device::Cuda(0)),
        (Device::Cuda(index), Ok(found)) if index < found => return Ok(tch::Device::Cuda(index)),
        (Device::Cuda(_), Ok(found)) => format!("LibTorch sees {}", plural(found, "CUDA device")),
        (Device::Cuda(_), Err(reason)) => reason.to_string(),
    };
    Err(TrainError::Device { device: device.to_string(), reason })
}

/// Sets the threads of CPU operations for the whole process. Call it before anything else of LibTorch runs: results are
/// bit-identical for equal numbers of threads only.
///
/// Operations are never run beside one another here, so one thread between operations is enough; LibTorch accepts that
/// setting once.
pub fn set_threads(threads: u32) {
    static BETWEEN_OPERATIONS: Once = Once::new();
    BETWEEN_OPERATIONS.call_once(|| tch::set_num_interop_threads(1));
    tch::set_num_threads(i32::try_from(threads.max(1)).unwrap_or(i32::MAX));
}

/// Threads that prepare batches: as many as asked; on a GPU, which leaves the processor idle, as many as operations of a CPU would
/// get.
pub(super) fn loaders(device: tch::Device, asked: usize) -> usize {
    let idle = if device.is_cuda() { tch::get_num_threads() as usize } else { 0 };
    asked.max(idle.min(MOST_GPU_LOADERS))
}

/// Sets the threads that were asked for, or as many as there are cores, as [`set_threads`] does; returns their number.
#[expect(clippy::must_use_candidate, reason = "called for its effect")]
pub fn use_threads(asked: Option<u32>) -> u32 {
    let cores = || std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
    let threads = asked.unwrap_or_else(cores);
    set_threads(threads);
    threads
}

/// LibTorch's rule for choosing kernels (`aten/src/ATen/native/DispatchStub.cpp`), which tch does not expose.
fn cpu_capability() -> String {
    match std::env::var(CAPABILITY_OVERRIDE).as_deref() {
        Ok("avx512") => "AVX512",
        Ok("avx2") => "AVX2",
        Ok("default") => "DEFAULT",
        _ => detected_capability(),
    }
    .to_owned()
}

#[cfg(target_arch = "x86_64")]
fn detected_capability() -> &'static str {
    let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    let avx512 = is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq");
    match (avx2, avx512) {
        (true, true) => "AVX512",
        (true, false) => "AVX2",
        _ => "DEFAULT",
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn detected_capability() -> &'static str {
    "DEFAULT"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setup_names_libtorch_and_the_threads() {
        let setup = setup_of(Device::Cpu).unwrap();
        assert_eq!(setup.device, "cpu");
        assert!(
            setup.bit_identical && setup.threads >= 1 && setup.gpu_name.is_none() && setup.gpu_free_bytes.is_none()
        );
        assert!(setup.libtorch.split('.').count() >= 3, "{}", setup.libtorch);
        assert_eq!(setup.no_gpu.is_none(), tch::Cuda::device_count() > 0, "{setup:?}");
    }

    #[test]
    fn deterministic_algorithms_are_asked_of_gpus_alone() {
        use_deterministic_algorithms(Device::Cpu).unwrap();
        assert!(!library::is_deterministic());
        assert!(use_deterministic_algorithms(Device::Cuda(1000)).is_err());
    }

    #[test]
    fn a_missing_cuda_device_is_an_error() {
        let error = resolve_device(Device::Cuda(1000)).unwrap_err();
        assert!(error.to_string().contains("cuda:1000"), "{error}");
    }
}
