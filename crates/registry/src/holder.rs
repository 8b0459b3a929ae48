//! Who holds a run: written into its lock file by the process that takes the lock, for those who meet it held.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::provenance::host_name;
use augtrial_base::clock::{Clock, rfc3339};

/// A process that holds a run, as it says itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub pid: u32,
    /// The process that started it: the leader of its study.
    pub leader: u32,
    pub host: String,
    /// When it took the run, RFC 3339.
    pub since: String,
}

impl Holder {
    /// This process.
    pub(super) fn here(clock: Clock) -> Self {
        Self { pid: std::process::id(), leader: leader(), host: host_name(), since: rfc3339(clock.now()) }
    }

    /// In one line, as others read it.
    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("plain data has a JSON form")
    }

    /// Whether the process has outlived the one that started it, so that it is about to stop. Nothing where this machine
    /// cannot tell.
    #[must_use]
    pub fn is_orphan(&self) -> bool {
        self.host == host_name() && parent_of(self.pid).is_some_and(|parent| parent != self.leader)
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} on {}, since {}", self.pid, self.host, self.since)
    }
}

#[cfg(unix)]
fn leader() -> u32 {
    std::os::unix::process::parent_id()
}

#[cfg(not(unix))]
fn leader() -> u32 {
    0
}

/// The parent of a process of this machine (`proc_pid_stat(5)`), 0 if there is no such process any more; nothing if the system
/// does not tell.
#[cfg(target_os = "linux")]
fn parent_of(pid: u32) -> Option<u32> {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return Some(0) };
    // The name may hold blanks and brackets; after it come the state and the parent.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(not(target_os = "linux"))]
fn parent_of(_pid: u32) -> Option<u32> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_an_orphan_when_its_parent_is_not_its_leader() {
        let here = Holder::here(Clock::System);
        assert!(!here.is_orphan());
        assert!(Holder { leader: here.pid, ..here.clone() }.is_orphan(), "nobody is its own parent");
        assert!(!Holder { leader: here.pid, host: "elsewhere".to_owned(), ..here.clone() }.is_orphan(), "who knows");
        assert!(Holder { pid: u32::MAX, ..here }.is_orphan(), "it is gone");
    }
}
