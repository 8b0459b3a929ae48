//! A read-only memory map of a file that nobody changes. One of the two places where `unsafe` is allowed.

use std::fs::File;
use std::io;
use std::path::Path;

use memmap2::Mmap;

/// Maps a finished, content-addressed file of the store.
///
/// # Errors
/// Whatever opening or mapping the file gives.
#[expect(unsafe_code, reason = "a memory map has no safe constructor")]
pub(super) fn map_finished_file(path: &Path) -> io::Result<Mmap> {
    let file = File::open(path)?;
    // SAFETY: the bytes behind the map must not change while it lives. Files of the store are written under a temporary
    // name, renamed when complete, named by their content and never opened for writing again by this program.
    unsafe { Mmap::map(&file) }
}
