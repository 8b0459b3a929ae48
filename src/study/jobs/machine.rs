//! What the machine offers to a study, as far as it decides how many trials run at once.

use crate::plan::classifier::Device;

/// Cores, memory and device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    pub cores: u32,
    /// Memory that could be had without swapping; unknown where the system does not say.
    pub free_bytes: Option<u64>,
    /// Whether training runs on a GPU.
    pub gpu: bool,
}

impl Machine {
    /// This machine, as it is now.
    pub fn here(device: Device) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
        let info = std::fs::read_to_string("/proc/meminfo").ok();
        Self { cores, free_bytes: info.as_deref().and_then(available_bytes), gpu: is_gpu(device) }
    }
}

/// `MemAvailable` of the kernel (`proc_meminfo(5)`): free memory and what it would give back of its caches.
fn available_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(feature = "torch")]
fn is_gpu(device: Device) -> bool {
    crate::train::resolve_device(device).is_ok_and(tch::Device::is_cuda)
}

#[cfg(not(feature = "torch"))]
fn is_gpu(device: Device) -> bool {
    matches!(device, Device::Cuda(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn available_memory_is_read_as_the_kernel_writes_it() {
        let text = "MemTotal:       24684764 kB\nMemFree:         1000 kB\nMemAvailable:   24183840 kB\n";
        assert_eq!(available_bytes(text), Some(24_183_840 * 1024));
        assert_eq!(available_bytes("MemTotal: 1 kB\n"), None);
    }
}
