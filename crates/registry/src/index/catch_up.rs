//! Bringing the index up to date with the run folders: several threads read what changed, and one writes it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rusqlite::Connection;

use super::{Index, rows};
use crate::error::RegistryError;
use crate::folder::{Held, Look, RunFolder};
use crate::id::RunId;
use crate::provenance::Provenance;
use crate::read::RunFiles;
use crate::record::Header;
use augtrial_base::clock::Clock;
use augtrial_base::digest::Digest;
use augtrial_base::words::chain;

/// Each holds one record in memory.
const MAX_READERS: usize = 4;
/// How long runs are gathered in one transaction: others wait for its end, and so does a worker that wants a run in it.
const BATCH: Duration = Duration::from_millis(500);

/// What the index knows of a run's folder.
struct Known {
    /// Whether the run has ended or is set aside.
    settled: bool,
    stamp: String,
}

/// What a folder says that the index does not.
enum News {
    /// Of a run that another process holds only the beginning is read: the rest is changing.
    Begun {
        header: Box<Header>,
        provenance: Box<Provenance>,
        plan_toml: String,
    },
    Record {
        files: Box<RunFiles>,
        stamp: String,
        lock: Option<Held>,
    },
    /// The record counts for nothing until it is mended.
    Damage {
        run: RunId,
        trial_key: Option<Digest>,
        newer: bool,
        problem: String,
        stamp: String,
    },
}

impl Index {
    /// Brings the index up to date with the folders: runs that a kill kept out of it come in, runs whose folder is gone
    /// go out, and runs whose files were changed are read again.
    pub fn catch_up(&mut self, runs_dir: &Path) -> Result<(), RegistryError> {
        let on_disk: BTreeSet<RunId> = RunFolder::list(runs_dir)?.into_iter().collect();
        let known = self.known()?;
        let gone: Vec<RunId> = known.keys().filter(|run| !on_disk.contains(run)).copied().collect();
        if !gone.is_empty() {
            self.write(|db| gone.iter().try_for_each(|&run| rows::remove_run(db, run)))?;
        }
        let folders = on_disk.iter().map(|&run| (RunFolder::of(runs_dir, run), known.get(&run)));
        self.take_up(&folders.collect::<Vec<_>>())
    }

    /// The same for one run.
    pub fn catch_up_run(&mut self, runs_dir: &Path, run: RunId) -> Result<(), RegistryError> {
        let known = self.known()?.remove(&run);
        self.take_up(&[(RunFolder::of(runs_dir, run), known.as_ref())])
    }

    /// Every run that is in the index or set aside.
    fn known(&self) -> Result<BTreeMap<RunId, Known>, RegistryError> {
        self.read(|db| {
            let mut statement = db.prepare(
                "SELECT id, outcome IS NOT NULL, stamp FROM runs UNION ALL SELECT run, true, stamp FROM set_aside",
            )?;
            let known =
                statement.query_map([], |row| Ok((row.get(0)?, Known { settled: row.get(1)?, stamp: row.get(2)? })))?;
            known.collect()
        })
    }

    /// Reads folders into the index, and sets the runs aside whose record is damaged.
    fn take_up(&mut self, folders: &[(RunFolder, Option<&Known>)]) -> Result<(), RegistryError> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let next = AtomicUsize::new(0);
        thread::scope(|scope| {
            // Without room: what is read waits with its reader, and no more records are in memory than there are readers.
            let (teller, news) = mpsc::sync_channel(0);
            for _ in 0..cores.min(MAX_READERS).min(folders.len()) {
                let (teller, next) = (teller.clone(), &next);
                scope.spawn(move || {
                    while let Some((folder, known)) = folders.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let Some(news) = News::of(folder, *known).transpose() else { continue };
                        // The writer has failed, and listens no more.
                        let Ok(()) = teller.send(news) else { return };
                    }
                });
            }
            drop(teller);
            let mut news = news.iter().peekable();
            // What comes first is waited for outside of its transaction.
            while news.peek().is_some() {
                self.write_batch(&mut news)?;
            }
            Ok(())
        })
    }

    /// Writes what comes within the time of a batch in one transaction.
    fn write_batch(
        &mut self,
        news: &mut impl Iterator<Item = Result<News, RegistryError>>,
    ) -> Result<(), RegistryError> {
        // Nobody takes a run before what was read of it is written.
        let mut locks = Vec::new();
        let mut read = Ok(());
        self.write(|db| {
            let begun = Clock::System.start();
            while begun.elapsed() < BATCH
                && read.is_ok()
                && let Some(next) = news.next()
            {
                match next {
                    Ok(news) => locks.extend(news.write(db)?),
                    Err(error) => read = Err(error),
                }
            }
            Ok(())
        })?;
        read
    }
}

impl News {
    /// Reads a folder; nothing if it is as it was.
    ///
    /// # Errors
    /// If it cannot be read now, which says nothing of the record.
    fn of(folder: &RunFolder, known: Option<&Known>) -> Result<Option<Self>, RegistryError> {
        // Before the files are read: what is changed while they are read is read again.
        let stamp = folder.stamp();
        let known = known.filter(|known| known.stamp == stamp);
        // Most runs have ended, and are told to be as they were by the stamp alone.
        if known.is_some_and(|known| known.settled) {
            return Ok(None);
        }
        match Self::of_sound(folder, &stamp, known.is_some()) {
            Err(error) if error.is_damage() && folder.exists() => Ok(Some(Self::Damage {
                run: folder.run(),
                trial_key: folder.stated_trial_key(),
                newer: matches!(error, RegistryError::NewerFormat { .. }),
                problem: match &error {
                    RegistryError::Damaged { problem, .. } => problem.clone(),
                    other => chain(other),
                },
                stamp,
            })),
            read => read,
        }
    }

    fn of_sound(folder: &RunFolder, stamp: &str, as_it_was: bool) -> Result<Option<Self>, RegistryError> {
        let Look::Free(lock) = folder.look()? else {
            let (header, provenance) = (Box::new(folder.header()?), Box::new(folder.provenance()?));
            return Ok(Some(Self::Begun { header, provenance, plan_toml: folder.plan_toml()? }));
        };
        // Since the stamp was taken, the run may have ended.
        if as_it_was && !folder.has_ended() {
            return Ok(None);
        }
        Ok(Some(Self::Record { files: Box::new(folder.read()?), stamp: stamp.to_owned(), lock }))
    }

    /// Writes it, and gives the lock that keeps others from the run.
    fn write(self, db: &Connection) -> rusqlite::Result<Option<Held>> {
        match self {
            Self::Begun { header, provenance, plan_toml } => {
                rows::insert_run(db, &header, &provenance, &plan_toml).map(|()| None)
            }
            Self::Record { files, stamp, lock } => rows::replace_run(db, &files, &stamp).map(|()| lock),
            Self::Damage { run, trial_key, newer, problem, stamp } => {
                rows::set_aside(db, run, trial_key.as_ref(), newer, &problem, &stamp).map(|()| None)
            }
        }
    }
}
