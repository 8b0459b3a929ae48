//! What a network saw, kept under the digest of everything that decides it: a line of sizes, then features and probabilities,
//! f32, little-endian. A file that is not what was written is made anew.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use augtrial_base::digest::Digest;
use augtrial_base::disk;

/// What a network made of some images.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// Features of one image.
    pub width: usize,
    /// `[N, width]`.
    pub features: Vec<f32>,
    /// Classes that the network tells apart; 0 if its head was not made for them.
    pub classes: usize,
    /// `[N, classes]`.
    pub probabilities: Vec<f32>,
}

/// Features cannot be kept.
#[derive(Debug, thiserror::Error)]
#[error("cannot keep features in {}: check its permissions and free space", path.display())]
pub struct StoreError {
    pub path: PathBuf,
    pub source: io::Error,
}

#[derive(Serialize, Deserialize)]
struct Sizes {
    width: usize,
    features: usize,
    classes: usize,
    probabilities: usize,
}

/// What is kept in `folder` under `name`, if it is there and whole.
#[must_use]
pub fn read_stored(folder: &Path, name: &Digest) -> Option<Stored> {
    let body = disk::read_sealed(&path(folder, name))?;
    let (sizes, values) = body.split_at_checked(body.iter().position(|&byte| byte == b'\n')? + 1)?;
    let Sizes { width, features, classes, probabilities } = serde_json::from_slice(sizes).ok()?;
    let (values, rest) = values.as_chunks::<4>();
    let mut values: Vec<f32> = values.iter().map(|value| f32::from_le_bytes(*value)).collect();
    if !rest.is_empty() || values.len() != features.checked_add(probabilities)? {
        return None;
    }
    let probabilities = values.split_off(features);
    Some(Stored { width, features: values, classes, probabilities })
}

/// Keeps it in `folder` under `name`.
///
/// # Errors
/// [`StoreError`].
pub fn write_stored(folder: &Path, name: &Digest, stored: &Stored) -> Result<(), StoreError> {
    let Stored { width, features, classes, probabilities } = stored;
    let sizes =
        Sizes { width: *width, features: features.len(), classes: *classes, probabilities: probabilities.len() };
    let mut body = serde_json::to_vec(&sizes).expect("plain data has a JSON form");
    body.push(b'\n');
    body.extend(features.iter().chain(probabilities).flat_map(|value| value.to_le_bytes()));
    let path = path(folder, name);
    disk::write_sealed(&path, &body).map_err(|source| StoreError { path, source })
}

fn path(folder: &Path, name: &Digest) -> PathBuf {
    folder.join(format!("{name}.features"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_come_back_to_the_bit_and_a_damaged_file_is_as_good_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let name = Digest::of_bytes(b"name");
        assert_eq!(read_stored(folder.path(), &name), None);
        let stored = Stored {
            width: 3,
            features: vec![0.1, -2.5e-30, 3.0, 4.0, 5.0, 6.0],
            classes: 2,
            probabilities: vec![0.25; 4],
        };
        write_stored(folder.path(), &name, &stored).unwrap();
        assert_eq!(read_stored(folder.path(), &name), Some(stored));
        let path = path(folder.path(), &name);
        let whole = std::fs::read(&path).unwrap();
        for at in [0, 64, 70, whole.len() - 1] {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            std::fs::write(&path, damaged).unwrap();
            assert_eq!(read_stored(folder.path(), &name), None, "byte {at}");
        }
        std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        assert_eq!(read_stored(folder.path(), &name), None);
    }
}
