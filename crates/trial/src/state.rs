//! What an unfinished trial keeps in its run's folder, whoever trains it: where it is, and how it goes.

use std::io;
use std::path::{Path, PathBuf};

use augtrial_base::disk;

use crate::engine::CHECKPOINT_FILE_NAME;

/// Name of the folder that a trainer outside this process works in, in its run's folder.
pub const TRAINER_FOLDER_NAME: &str = "trainer";
/// Name of the file in that folder that says how far such a trainer came and what it can continue from.
pub const TRAINER_STATE_FILE_NAME: &str = "state.json";

/// What a trial in this folder can continue from, if there is anything.
#[must_use]
pub fn saved_state(folder: &Path) -> Option<PathBuf> {
    let places = [folder.join(CHECKPOINT_FILE_NAME), folder.join(TRAINER_FOLDER_NAME).join(TRAINER_STATE_FILE_NAME)];
    places.into_iter().find(|place| place.exists())
}

/// Removes all that a trial in this folder could continue from; fine if there is nothing.
///
/// # Errors
/// Whatever the system gives.
pub fn drop_state(folder: &Path) -> io::Result<()> {
    disk::remove_file(&folder.join(CHECKPOINT_FILE_NAME))?;
    let trainer = folder.join(TRAINER_FOLDER_NAME);
    if trainer.exists() { disk::discard(&trainer) } else { Ok(()) }
}
