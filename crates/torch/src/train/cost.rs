//! What a trial costs: time by part of the work, and memory.

use std::fs;

use augtrial_base::clock::{Clock, Stopwatch};
use augtrial_base::events::Cost;

/// One part of a trial's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Waiting for a batch that is not ready, and moving it to the device.
    Data,
    Forward,
    Backward,
    Optimizer,
    Evaluation,
    Checkpoint,
}

/// Adds up the time of parts. On CUDA operations run behind the host, and the part that first waits for the device pays for
/// what was still to be done: there, only the total is exact.
#[derive(Debug)]
pub(super) struct Meter {
    clock: Clock,
    running: Stopwatch,
}

impl Meter {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, running: clock.start() }
    }

    /// Forgets the time since the last reading.
    pub(super) fn restart(&mut self) {
        self.running = self.clock.start();
    }

    /// Adds the time since the last reading to a part.
    pub(super) fn read(&mut self, cost: &mut Cost, part: Part) {
        let secs = self.running.elapsed().as_secs_f64();
        *match part {
            Part::Data => &mut cost.data_secs,
            Part::Forward => &mut cost.forward_secs,
            Part::Backward => &mut cost.backward_secs,
            Part::Optimizer => &mut cost.optimizer_secs,
            Part::Evaluation => &mut cost.evaluation_secs,
            Part::Checkpoint => &mut cost.checkpoint_secs,
        } += secs;
        self.restart();
    }
}

/// Lets the process's peak of memory begin anew, so that the next trial's is its own. Does nothing where that is unknown.
pub(super) fn forget_peak_memory() {
    // Linux: `5` resets the high-water mark (proc_pid_clear_refs(5)). Elsewhere, or where it is forbidden, the peak is the
    // process's, which is never too small.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// Largest resident memory of the process since [`forget_peak_memory`]; none where the system does not tell.
pub(super) fn peak_memory_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB"))?;
    Some(kib.trim().parse::<u64>().ok()? * 1024)
}
