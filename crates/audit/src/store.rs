//! What was measured, kept as JSON under the digest of everything that decides it. A file that is not what was written is made
//! anew.

use std::io;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use augtrial_base::digest::Digest;
use augtrial_base::disk;

/// The value in `folder` under `name`, if it is there and whole.
pub(crate) fn read<T: DeserializeOwned>(folder: &Path, name: &Digest) -> Option<T> {
    serde_json::from_slice(&disk::read_sealed(&path(folder, name))?).ok()
}

/// Keeps a value in `folder` under `name`.
pub(crate) fn write<T: Serialize>(folder: &Path, name: &Digest, value: &T) -> io::Result<()> {
    disk::write_sealed(&path(folder, name), &serde_json::to_vec(value)?)
}

fn path(folder: &Path, name: &Digest) -> std::path::PathBuf {
    folder.join(format!("{name}.audit"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_file_is_as_good_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let name = Digest::of_bytes(b"name");
        assert_eq!(read::<Vec<f64>>(folder.path(), &name), None);
        let values = vec![0.1 + 0.2, -1.5e-300];
        write(folder.path(), &name, &values).unwrap();
        assert_eq!(read::<Vec<f64>>(folder.path(), &name), Some(values));
        let path = path(folder.path(), &name);
        let whole = std::fs::read(&path).unwrap();
        for at in [0, 30, 64, whole.len() - 2] {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            std::fs::write(&path, damaged).unwrap();
            assert_eq!(read::<Vec<f64>>(folder.path(), &name), None, "byte {at}");
        }
        std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        assert_eq!(read::<Vec<f64>>(folder.path(), &name), None);
    }
}
