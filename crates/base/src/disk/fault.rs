//! Faults on request, so that tests can fail or kill this program at every operation on disk.
//!
//! In builds with debug assertions, `AUGTRIAL_FAULT=WHICH:WHAT:FILE` makes one operation fail with `enospc` or `eio`, or kills
//! the process with `kill` right before it. `WHICH` is a number (counted from 1 over all processes that share the environment,
//! by the length of `FILE`; 0 only counts) or what `FILE` calls the operation, such as `create tiny`.

use std::io;
use std::path::Path;

/// Counts an operation, and fails it if it is the one that was named.
#[cfg(debug_assertions)]
pub fn operation(action: &str, path: &Path) -> io::Result<()> {
    use std::sync::OnceLock;

    static FAULT: OnceLock<Option<Fault>> = OnceLock::new();
    match FAULT.get_or_init(|| Fault::parse(&std::env::var("AUGTRIAL_FAULT").ok()?)) {
        None => Ok(()),
        Some(fault) => fault.meet(action, path),
    }
}

/// Nothing is counted in a release.
#[cfg(not(debug_assertions))]
#[inline]
pub fn operation(_action: &str, _path: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(debug_assertions)]
struct Fault {
    which: String,
    kind: String,
    counter: std::path::PathBuf,
}

#[cfg(debug_assertions)]
impl Fault {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ':');
        Some(Self { which: parts.next()?.to_owned(), kind: parts.next()?.to_owned(), counter: parts.next()?.into() })
    }

    fn meet(&self, action: &str, path: &Path) -> io::Result<()> {
        use std::io::Write as _;

        // One line an operation: the counter is the record of what was done, too.
        let name = format!("{action} {}", path.file_name().unwrap_or_default().to_string_lossy().replace('\n', " "));
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(&self.counter)?;
        file.write_all(format!("{name}\n").as_bytes())?;
        let is_met = match self.which.parse::<usize>() {
            Ok(number) => std::fs::read_to_string(&self.counter)?.lines().count() == number,
            Err(_) => name == self.which,
        };
        if !is_met {
            return Ok(());
        }
        match self.kind.as_str() {
            "enospc" => Err(io::ErrorKind::StorageFull.into()),
            "eio" => Err(io::Error::other("input/output error (injected)")),
            _ => std::process::abort(),
        }
    }
}
