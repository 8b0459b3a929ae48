//! Leases: who may write, where file locks cannot be trusted.
//!
//! A lease on `NAME` is the file `NAME.1`, `NAME.2` and so on; the highest number holds. It is made whole in one step, by
//! `link(2)`, so that of several processes one makes it. Its holder renews it by its time of change. Who wants a lease that is
//! held makes the next number when the holder has released it, is known to be dead (same machine, same boot), or has been
//! silent for [`SILENCE`], and stays so while it is being watched for two renewals more: what is watched is change, so that
//! clocks of two machines need not agree. A number is never made twice: the highest stays when it is released, so that a slow
//! process cannot take what somebody else has taken meanwhile. A holder that was frozen finds a higher number, and its own
//! file gone, before it writes again: that is what [`Lease::is_ours`] is for.
//!
//! After Gray and Cheriton (1989), Leases, doi:10.1145/74850.74870; counting up is the fencing token of Kleppmann (2016), How to
//! do distributed locking.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::fault::operation;
use super::{UNFINISHED, parent, sync_folder};
use crate::clock::Clock;
use crate::digest::Digest;

/// Between two renewals.
const RENEWAL: Duration = Duration::from_secs(15);
/// A holder that has been silent for so long is watched, and then followed.
pub const SILENCE: Duration = Duration::from_mins(3);
/// How long a silent holder is watched.
const WATCH: Duration = Duration::from_secs(2 * 15 + 5);
/// Between two looks while watching.
const LOOK: Duration = Duration::from_millis(500);
/// What a released lease holds.
const RELEASED: &str = "released\n";
/// Leases that this process has made.
static MADE: AtomicU64 = AtomicU64::new(0);
/// Bytes of a lease that are read.
const MOST_BYTES: u64 = 8192;

/// Held until it is dropped, or somebody has followed.
#[derive(Debug)]
pub struct Lease {
    file: File,
    token: String,
    shared: Arc<Shared>,
    renewing: Option<thread::JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    /// The file; it moves with its folder.
    path: Mutex<PathBuf>,
    lost: AtomicBool,
    ended: Mutex<bool>,
    end: Condvar,
}

/// What is in the file.
#[derive(Debug, Serialize, Deserialize)]
struct Content {
    /// Tells this lease from every other.
    token: String,
    process: Process,
    /// What the holder says of itself.
    note: String,
}

/// A process, as far as others on the same machine can tell whether it lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Process {
    pid: u32,
    /// Clock ticks between boot and its start: a number that was given to a later process does not pass for it.
    started: Option<u64>,
    host: String,
    boot: Option<String>,
    /// Numbers of processes mean something only inside.
    pid_namespace: Option<String>,
}

/// Who has a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseState {
    /// Nobody has ever had it.
    New,
    Free,
    /// With what the holder said of itself.
    Held(String),
}

impl Lease {
    /// Takes the lease on `path`, unless somebody has it; says `note` of this process to others. Takes as long as watching a
    /// silent holder takes; `stopped` ends that.
    ///
    /// # Errors
    /// Whatever the system gives.
    pub fn take(path: &Path, note: &str, stopped: impl Fn() -> bool) -> io::Result<Option<Self>> {
        operation("lease", path)?;
        let held = highest(path)?;
        if let Some(number) = held {
            let file = numbered(path, number);
            match Found::read(&file)? {
                Found::Released => {}
                Found::Content(content, changed) => {
                    let is_gone = content.process.is_gone();
                    if !is_gone && (is_young(changed) || !stays_silent(&file, changed, stopped)?) {
                        return Ok(None);
                    }
                }
                // Somebody has followed already.
                Found::Nothing => return Ok(None),
            }
        }
        let number = held.unwrap_or(0) + 1;
        let Some(lease) = Self::make(&numbered(path, number), note)? else { return Ok(None) };
        let all = numbers(path)?;
        if all.iter().any(|other| *other > number) {
            // Others went on while this process slept: its number is an old one.
            super::remove_file(&numbered(path, number))?;
            return Ok(None);
        }
        for old in all.iter().filter(|old| **old < number) {
            super::remove_file(&numbered(path, *old))?;
        }
        Ok(Some(lease))
    }

    /// Makes the file in one step; nothing if it is there.
    fn make(path: &Path, note: &str) -> io::Result<Option<Self>> {
        let process = Process::here();
        let now = Clock::System.now().timestamp_nanos_opt();
        let count = MADE.fetch_add(1, Ordering::Relaxed);
        let seed = (process.pid, process.started, &process.host, &process.boot, now, count);
        let token = Digest::of_value("lease-v1", &seed).to_string();
        let content = serde_json::to_string(&Content { token: token.clone(), process, note: note.to_owned() })? + "\n";
        let folder = parent(path);
        let mut draft = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(folder)?;
        draft.write_all(content.as_bytes())?;
        draft.as_file().sync_all()?;
        let linked = match fs::hard_link(draft.path(), path) {
            // An answer that got lost, or a link that was made: what is there tells.
            Err(_) if path.exists() => Found::read(path)?.is(&token),
            Err(error)
                if error.kind() == io::ErrorKind::Unsupported || error.kind() == io::ErrorKind::PermissionDenied =>
            {
                exclusively(path, content.as_bytes())?
            }
            Err(error) => return Err(error),
            Ok(()) => true,
        };
        if !linked {
            return Ok(None);
        }
        sync_folder(folder)?;
        let file = File::options().read(true).write(true).open(path)?;
        let shared = Arc::new(Shared {
            path: Mutex::new(path.to_owned()),
            lost: AtomicBool::new(false),
            ended: Mutex::new(false),
            end: Condvar::new(),
        });
        let renewing = {
            let (file, token, shared) = (file.try_clone()?, token.clone(), Arc::clone(&shared));
            thread::spawn(move || renew(&file, &token, &shared))
        };
        Ok(Some(Self { file, token, shared, renewing: Some(renewing) }))
    }

    /// Whether this process still has the lease. Asked before everything that only its holder may write.
    ///
    /// # Errors
    /// If the file cannot be looked at.
    pub fn is_ours(&self) -> io::Result<bool> {
        is_ours(&self.token, &self.shared)
    }

    /// The folder of the lease has been renamed to `folder`.
    pub fn moved_to(&self, folder: &Path) {
        let mut path = self.shared.path.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = path.file_name().map(ToOwned::to_owned) {
            *path = folder.join(name);
        }
    }
}

/// The lease is released; its file stays, so that its number is not used again.
impl Drop for Lease {
    fn drop(&mut self) {
        *self.shared.ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.shared.end.notify_all();
        if let Some(renewing) = self.renewing.take() {
            let _ = renewing.join();
        }
        // By the open file: if somebody has followed, this is not the file that counts.
        let released = self.file.set_len(0).and_then(|()| self.file.rewind());
        let _ = released.and_then(|()| self.file.write_all(RELEASED.as_bytes())).and_then(|()| self.file.sync_all());
    }
}

/// Who has the lease on `path` now, by what can be seen at once.
///
/// # Errors
/// If it cannot be looked at.
pub fn lease_state(path: &Path) -> io::Result<LeaseState> {
    let Some(number) = highest(path)? else { return Ok(LeaseState::New) };
    Ok(match Found::read(&numbered(path, number))? {
        Found::Content(content, changed) if !content.process.is_gone() && is_young(changed) => {
            LeaseState::Held(content.note)
        }
        // In the moment between two numbers somebody has it.
        Found::Nothing => LeaseState::Held(String::new()),
        Found::Content(..) | Found::Released => LeaseState::Free,
    })
}

/// What the holder of the lease on `path`, or the last one, said of itself.
#[must_use]
pub fn lease_note(path: &Path) -> Option<String> {
    match Found::read(&numbered(path, highest(path).ok()??)).ok()? {
        Found::Content(content, _) => Some(content.note),
        Found::Released | Found::Nothing => None,
    }
}

fn renew(file: &File, token: &str, shared: &Shared) {
    let mut ended = shared.ended.lock().unwrap_or_else(PoisonError::into_inner);
    while !*ended {
        ended = shared.end.wait_timeout(ended, RENEWAL).unwrap_or_else(PoisonError::into_inner).0;
        if *ended {
            return;
        }
        // A renewal that fails is silence; the next may succeed.
        let _ = file.set_modified(SystemTime::from(Clock::System.now()));
        let _ = is_ours(token, shared);
    }
}

fn is_ours(token: &str, shared: &Shared) -> io::Result<bool> {
    if shared.lost.load(Ordering::Relaxed) {
        return Ok(false);
    }
    let path = shared.path.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let ours = Found::read(&path)?.is(token) && {
        let (stem, number) = split(&path);
        highest(&stem)? == Some(number)
    };
    if !ours {
        shared.lost.store(true, Ordering::Relaxed);
    }
    Ok(ours)
}

/// What a look at a lease's file shows.
enum Found {
    Nothing,
    Released,
    Content(Content, SystemTime),
}

impl Found {
    /// Opens the file anew: that is when a network file system asks its server.
    fn read(path: &Path) -> io::Result<Self> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::Nothing),
            file => file?,
        };
        let mut text = String::new();
        let changed = file.metadata()?.modified()?;
        (&file).take(MOST_BYTES).read_to_string(&mut text)?;
        if text == RELEASED {
            return Ok(Self::Released);
        }
        match serde_json::from_str(&text) {
            Ok(content) => Ok(Self::Content(content, changed)),
            // A release that was cut short: nobody renews it, and time tells.
            Err(_) if is_young(changed) => Ok(Self::Nothing),
            Err(_) => Ok(Self::Released),
        }
    }

    fn is(&self, token: &str) -> bool {
        matches!(self, Self::Content(content, _) if content.token == token)
    }
}

/// Whether a lease was renewed lately. A time in the future is one of a clock that is ahead.
fn is_young(changed: SystemTime) -> bool {
    SystemTime::from(Clock::System.now()).duration_since(changed).map_or(true, |age| age < SILENCE)
}

fn stays_silent(file: &Path, changed: SystemTime, stopped: impl Fn() -> bool) -> io::Result<bool> {
    let watch = Clock::System.start();
    while watch.elapsed() < WATCH {
        if stopped() {
            return Ok(false);
        }
        thread::sleep(LOOK);
        match Found::read(file)? {
            Found::Content(_, at) if at == changed => {}
            _ => return Ok(false),
        }
    }
    Ok(true)
}

/// For file systems without links.
fn exclusively(path: &Path, content: &[u8]) -> io::Result<bool> {
    match File::options().write(true).create_new(true).open(path) {
        Ok(mut file) => file.write_all(content).and_then(|()| file.sync_all()).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

fn numbered(path: &Path, number: u64) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{number}"));
    path.with_file_name(name)
}

/// The path of a lease and its number, from its file.
fn split(file: &Path) -> (PathBuf, u64) {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (stem, number) = name.rsplit_once('.').unwrap_or((&name, ""));
    (file.with_file_name(stem), number.parse().unwrap_or(0))
}

fn numbers(path: &Path) -> io::Result<Vec<u64>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned() + ".";
    let mut found = Vec::new();
    for entry in fs::read_dir(parent(path))? {
        let entry = entry?.file_name();
        found.extend(entry.to_str().and_then(|entry| entry.strip_prefix(&name)?.parse::<u64>().ok()));
    }
    found.sort_unstable();
    Ok(found)
}

fn highest(path: &Path) -> io::Result<Option<u64>> {
    Ok(numbers(path)?.pop())
}

impl Process {
    fn here() -> Self {
        let pid = std::process::id();
        Self { pid, started: started(pid), host: host(), boot: boot(), pid_namespace: pid_namespace() }
    }

    /// Whether the process is known to have ended.
    fn is_gone(&self) -> bool {
        let (Some(theirs), Some(ours)) = (&self.boot, boot()) else { return false };
        if self.host != host() {
            return false;
        }
        if *theirs != ours {
            return true;
        }
        let inside = self.pid_namespace.is_some() && self.pid_namespace == pid_namespace();
        inside && self.started.is_some() && started(self.pid) != self.started
    }
}

/// `proc_pid_stat(5)`: when a process started; a zombie has ended.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    // State is field 3, the start field 22.
    if matches!(fields.next()?, "Z" | "X") { None } else { fields.nth(18)?.parse().ok() }
}

fn boot() -> Option<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().map(|id| id.trim().to_owned())
}

fn host() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname").map_or_else(|_| String::new(), |name| name.trim().to_owned())
}

fn pid_namespace() -> Option<String> {
    fs::read_link("/proc/self/ns/pid").ok().map(|link| link.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests;
