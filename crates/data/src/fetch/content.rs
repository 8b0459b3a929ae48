//! The digest of many files: of the sorted list of their digests and names, as `sha256sum` writes it.

use std::fs;
use std::io;
use std::path::Path;

use rayon::prelude::*;

use augtrial_base::digest::Digest;
use augtrial_plan::declared::is_litter;

/// Names below `root` of all files that are not litter, with `/`, sorted. Links are not followed.
pub(super) fn files(root: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    let mut left = vec![String::new()];
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(root.join(&folder))? {
            let entry = entry?;
            let name = entry.file_name().into_string().map_err(|_| io::Error::other("a name is not UTF-8"))?;
            let below = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            if is_litter(&name) {
                continue;
            }
            if entry.file_type()?.is_dir() { left.push(below) } else { names.push(below) }
        }
    }
    names.sort();
    Ok(names)
}

/// The digest of these files, which are sorted.
pub(super) fn digest(root: &Path, names: &[String]) -> io::Result<Digest> {
    let line = |name: &String| Ok(format!("{}  {name}\n", Digest::of_file(&root.join(name))?));
    let lines: Vec<String> = names.par_iter().map(line).collect::<io::Result<_>>()?;
    Ok(Digest::of_bytes(lines.concat().as_bytes()))
}
