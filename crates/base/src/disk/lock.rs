//! Locks between processes that do the same work: the system releases them when the process ends, however it ends. Where
//! several machines share the file system, a lease stands in for the lock.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::fault::operation;
use super::{Lease, shared_file_system};

/// Between two looks at a lock that another process holds.
const POLL: Duration = Duration::from_millis(50);
/// The same over a network.
const SHARED_POLL: Duration = Duration::from_secs(1);

/// Held until it is dropped.
#[derive(Debug)]
pub enum Lock {
    File(File),
    Lease(Lease),
}

/// Takes the lock at `path` and holds it until it is dropped; waits while another holds it. `None` if `stopped` says
/// so before it is free. As a file, the lock means nothing.
///
/// # Errors
/// Whatever opening or locking gives.
pub fn lock(path: &Path, stopped: impl Fn() -> bool) -> io::Result<Option<Lock>> {
    operation("lock", path)?;
    if shared_file_system(path).is_some() {
        return lease(path, stopped);
    }
    let file = File::options().create(true).truncate(false).write(true).open(path)?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(Lock::File(file))),
            Err(TryLockError::WouldBlock) if stopped() => return Ok(None),
            Err(TryLockError::WouldBlock) => thread::sleep(POLL),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

fn lease(path: &Path, stopped: impl Fn() -> bool) -> io::Result<Option<Lock>> {
    loop {
        match Lease::take(path, "", &stopped)? {
            Some(lease) => return Ok(Some(Lock::Lease(lease))),
            None if stopped() => return Ok(None),
            None => thread::sleep(SHARED_POLL),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_waited_for_until_it_is_free_or_the_wait_is_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.lock");
        let held = lock(&path, || false).unwrap().unwrap();
        assert!(lock(&path, || true).unwrap().is_none());
        let waiting = thread::scope(|scope| {
            let waiter = scope.spawn(|| lock(&path, || false).unwrap().is_some());
            thread::sleep(POLL);
            drop(held);
            waiter.join().unwrap()
        });
        assert!(waiting);
    }
}
