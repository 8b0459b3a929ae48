//! Files that know whether they are whole: a line with the digest of the rest, then the rest. For what is kept because it was
//! costly to compute: a file that is not what was written is as good as none, and what it held is computed anew.

use std::fs;
use std::io;
use std::path::Path;

use super::{Durability, create_folder, parent, replace_bytes};
use crate::digest::Digest;

/// The bytes that [`write_sealed`] put at `path`, if they are there and whole.
#[must_use]
pub fn read_sealed(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = fs::read(path).ok()?;
    let start = bytes.iter().position(|&byte| byte == b'\n')? + 1;
    let digest: Digest = std::str::from_utf8(&bytes[..start]).ok()?.trim_end().parse().ok()?;
    if digest != Digest::of_bytes(&bytes[start..]) {
        return None;
    }
    bytes.drain(..start);
    Some(bytes)
}

/// Puts bytes at `path`, with what shows that they are whole.
///
/// # Errors
/// Whatever the system gives.
pub fn write_sealed(path: &Path, bytes: &[u8]) -> io::Result<()> {
    create_folder(parent(path))?;
    let head = format!("{}\n", Digest::of_bytes(bytes));
    replace_bytes(path, &[head.as_bytes(), bytes].concat(), Durability::Now)
}
