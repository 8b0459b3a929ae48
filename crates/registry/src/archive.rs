//! Records that travel: the ended runs of studies, and what the studies left, as one compressed file that another registry takes
//! in. Weights stay where they are: they are large, and nothing that is compared needs them. So does whatever else is in a run's
//! folder and is not of its record, and a report's pictures, if that is asked for: an archive that is published may hold no photograph.
//!
//! The file is a tar, compressed by Zstandard, or by gzip if its name says so. Records of one study repeat what other records say,
//! farther away than gzip looks: the 68 runs of a design, of 48 MB, take 2.1 MB and by gzip 13.5 MB. The first entry,
//! `archive.json`, holds size and digest of every other entry; nothing is taken in before all of them agree, and each record is
//! then verified against its own seal.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::path::{Component, Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

use super::error::RegistryError;
use super::files;
use super::folder::{DONE, LEASE, RunFolder, trials};
use super::id::{RunId, check_study_name};
use super::registry::Registry;
use super::seal::{LEFT_OUT, TRAINER_WEIGHTS};
use super::study::STUDIES;
use augtrial_base::digest::Digest;
use augtrial_base::disk::{self, Durability, Published};

const FORMAT: u32 = 1;
const CONTENTS: &str = "archive.json";
/// Files of a run's folder that do not travel: weights and states of training are large, and a lock or lease is of one machine.
const STAYS: [&str; 4] = ["weights.safetensors", "checkpoint.safetensors", TRAINER_WEIGHTS, "lock"];
/// Effort of the compression: 15 takes seven times as long for 6 % fewer bytes.
const LEVEL: i32 = 9;
/// Binary logarithm of the bytes behind in which repetitions are found; a reader needs that much memory, here 128 MB, and no archive
/// may ask for more.
const WINDOW_LOG: u32 = 27;
/// What a gzipped file begins with (RFC 1952, 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// Bytes that an archive may hold unpacked: a registry of tens of thousands of runs has less.
const MOST_BYTES: u64 = 64 << 30;

/// `archive.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Contents {
    format: u32,
    studies: Vec<String>,
    /// By path in the archive, which is the path below the registry's folder.
    files: BTreeMap<String, FileMark>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct FileMark {
    bytes: u64,
    digest: Digest,
}

/// What was written into an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    pub runs: usize,
    /// Runs that have not ended, and were left out.
    pub unfinished: usize,
    pub bytes: u64,
}

/// What was taken in of an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Runs that were not here before.
    pub runs: usize,
    /// Runs that were here before, equal to the last byte of their seal.
    pub known: usize,
    /// Folders of studies that were not here before.
    pub studies: usize,
}

impl Registry {
    /// Writes the runs that have ended, and what these studies left, into one file. Nothing of it is there until all of it is.
    /// Without `pictures`, the images of the gallery stay behind. An earlier archive under that name is replaced.
    ///
    /// # Errors
    /// [`RegistryError::InTheWay`] if another file has that name; a damaged record, or whatever reading and writing gives.
    pub fn export_records(
        &self,
        studies: &[String],
        runs: &BTreeSet<RunId>,
        path: &Path,
        pictures: bool,
    ) -> Result<Exported, RegistryError> {
        spare_others(path)?;
        let (mut paths, mut ended) = (Vec::new(), 0);
        for &run in runs {
            let folder = RunFolder::of(self.runs_dir(), run);
            if folder.has_ended() {
                // A damaged record does not travel.
                folder.read()?;
                ended += 1;
                paths.extend(files_of_run(&folder)?);
            }
        }
        for study in studies {
            let left = self.runs_dir().join(STUDIES).join(check_study_name(study)?);
            if left.is_dir() {
                let left = files_of(&left)?.into_iter();
                paths.extend(left.filter(|path| pictures || path.extension().is_none_or(|kind| kind != "png")));
            }
        }
        paths.sort();
        let contents = Contents { format: FORMAT, studies: studies.to_vec(), files: self.marks(&paths)? };
        let as_gzip = path.extension().is_some_and(|kind| kind == "gz" || kind == "tgz");
        disk::replace(path, |out| {
            if as_gzip {
                self.write_archive(&contents, GzEncoder::new(out, Compression::default()))?.finish()?;
            } else {
                let mut encoder = zstd::Encoder::new(out, LEVEL)?;
                encoder.long_distance_matching(true)?;
                encoder.window_log(WINDOW_LOG)?;
                self.write_archive(&contents, encoder)?.finish()?;
            }
            Ok(())
        })
        .map_err(RegistryError::io("write", path))?;
        let bytes = fs::metadata(path).map_err(RegistryError::io("read", path))?.len();
        Ok(Exported { runs: ended, unfinished: runs.len() - ended, bytes })
    }

    fn marks(&self, paths: &[PathBuf]) -> Result<BTreeMap<String, FileMark>, RegistryError> {
        let mark = |path: &PathBuf| {
            let bytes = fs::metadata(path).map_err(RegistryError::io("read", path))?.len();
            let digest = Digest::of_file(path).map_err(RegistryError::io("read", path))?;
            Ok((name_of(path.strip_prefix(self.runs_dir()).unwrap_or(path)), FileMark { bytes, digest }))
        };
        paths.iter().map(mark).collect()
    }

    fn write_archive<W: Write>(&self, contents: &Contents, out: W) -> io::Result<W> {
        let mut archive = tar::Builder::new(out);
        let json = serde_json::to_vec(contents)?;
        append(&mut archive, CONTENTS, json.len() as u64, json.as_slice())?;
        for (name, mark) in &contents.files {
            append(&mut archive, name, mark.bytes, File::open(self.runs_dir().join(name))?)?;
        }
        archive.into_inner()
    }

    /// Takes in what another registry exported. Runs that are here already are left alone, so that it can be done again.
    ///
    /// # Errors
    /// [`RegistryError::Archive`] if the file is no archive, is damaged, or holds another record under the id of one that is here;
    /// nothing is taken in then. Only if another process writes that other record meanwhile, earlier runs are taken in.
    pub fn import_records(&self, path: &Path) -> Result<Imported, RegistryError> {
        let unpacked =
            disk::unfinished_folder(&self.runs_dir().join("import")).map_err(RegistryError::io("create", path))?;
        unpack(path, unpacked.path())?;
        let problem = |problem: String| RegistryError::Archive { path: path.to_owned(), problem };
        let runs = if trials(unpacked.path()).is_dir() { RunFolder::list(unpacked.path())? } else { Vec::new() };
        let mut new = Vec::new();
        for &run in &runs {
            let (theirs, ours) = (RunFolder::of(unpacked.path(), run), RunFolder::of(self.runs_dir(), run));
            leave_out(&theirs)?;
            theirs.verify().map_err(|error| problem(error.to_string()))?;
            if ours.exists() {
                check_same(&theirs, &ours, path)?;
            } else {
                new.push((theirs, ours));
            }
        }
        let mut imported = Imported { known: runs.len() - new.len(), ..Imported::default() };
        RunFolder::prepare(self.runs_dir())?;
        for (theirs, ours) in &new {
            let counted = if take_run(theirs, ours, path)? { &mut imported.runs } else { &mut imported.known };
            *counted += 1;
        }
        imported.studies = take_studies(&unpacked.path().join(STUDIES), &self.runs_dir().join(STUDIES))?;
        self.catch_up()?;
        Ok(imported)
    }
}

/// Gives a record of the archive at `path` its place; false if another process has put the same one there meanwhile.
fn take_run(theirs: &RunFolder, ours: &RunFolder, path: &Path) -> Result<bool, RegistryError> {
    match disk::publish(theirs.path(), ours.path()).map_err(RegistryError::io("create", ours.path()))? {
        Published::Ours => Ok(true),
        Published::Rival => check_same(theirs, ours, path).map(|()| false),
    }
}

/// Refuses a record of the archive at `path` if another one is here under its id.
fn check_same(theirs: &RunFolder, ours: &RunFolder, path: &Path) -> Result<(), RegistryError> {
    if fs::read(theirs.file(DONE)).ok() == fs::read(ours.file(DONE)).ok() {
        return Ok(());
    }
    let problem = format!(
        "run {} is here already, with another record: `--runs` names another folder to import into",
        theirs.run()
    );
    Err(RegistryError::Archive { path: path.to_owned(), problem })
}

/// Moves the folders of plans that are not here.
fn take_studies(theirs: &Path, ours: &Path) -> Result<usize, RegistryError> {
    let mut taken = 0;
    for study in files::folders_in(theirs)? {
        for plan in files::folders_in(&theirs.join(&study))? {
            let (from, to) = (theirs.join(&study).join(&plan), ours.join(&study).join(&plan));
            if !to.exists() {
                let above = disk::parent(&to);
                disk::create_folder(above).map_err(RegistryError::io("create", above))?;
                let published = disk::publish(&from, &to).map_err(RegistryError::io("create", &to))?;
                taken += usize::from(published == Published::Ours);
            }
        }
    }
    Ok(taken)
}

/// The files of a run's record that travel: those that its seal names, and the seal itself. A trainer may have left pictures beside
/// them. A record of the first format has no seal, and is whatever stands in its folder.
fn files_of_run(folder: &RunFolder) -> Result<Vec<PathBuf>, RegistryError> {
    if let Some((_, Some(seal))) = folder.done()? {
        let names = seal.names().filter(|name| !stays(name)).chain([DONE]);
        return Ok(names.map(|name| folder.file(name)).collect());
    }
    let mut files = files_of(folder.path())?;
    files.retain(|file| file.parent() == Some(folder.path()));
    Ok(files)
}

/// Every file of a folder that travels, links and temporary files excepted.
fn files_of(folder: &Path) -> Result<Vec<PathBuf>, RegistryError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(RegistryError::io("read", folder))? {
        let entry = entry.map_err(RegistryError::io("read", folder))?;
        let kind = entry.file_type().map_err(RegistryError::io("read", folder))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if kind.is_dir() {
            found.extend(files_of(&entry.path())?);
        } else if kind.is_file() && !stays(&name) && !name.starts_with('.') {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Whether a file does not travel.
fn stays(name: &str) -> bool {
    STAYS.contains(&name) || name.strip_prefix(LEASE).is_some_and(|number| number.starts_with('.'))
}

/// Says in a run's folder which files of its seal have stayed behind.
fn leave_out(folder: &RunFolder) -> Result<(), RegistryError> {
    let Some((_, Some(seal))) = folder.done()? else { return Ok(()) };
    let missing: Vec<&str> = seal.names().filter(|name| stays(name) && !folder.file(name).exists()).collect();
    if missing.is_empty() { Ok(()) } else { files::replace_json(&folder.file(LEFT_OUT), &missing, Durability::Later) }
}

/// Refuses to write over anything but an archive of records.
fn spare_others(path: &Path) -> Result<(), RegistryError> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(RegistryError::io("read", path)(error)),
        Ok(found) if found.is_file() && is_archive(path).unwrap_or(false) => Ok(()),
        Ok(_) => Err(RegistryError::InTheWay { path: path.to_owned() }),
    }
}

/// The content of a compressed file, as far as an archive may go.
fn uncompressed(file: File) -> io::Result<impl Read> {
    let mut file = BufReader::new(file);
    let content: Box<dyn Read> = if file.fill_buf()?.starts_with(&GZIP) {
        Box::new(GzDecoder::new(file))
    } else {
        let mut decoder = zstd::Decoder::with_buffer(file)?;
        decoder.window_log_max(WINDOW_LOG)?;
        Box::new(decoder)
    };
    Ok(content.take(MOST_BYTES))
}

/// Whether a file begins as an archive does: compressed, with the list of its files.
fn is_archive(path: &Path) -> io::Result<bool> {
    let mut archive = tar::Archive::new(uncompressed(File::open(path)?)?);
    let Some(first) = archive.entries()?.next().transpose()? else { return Ok(false) };
    let is_list = first.path_bytes().as_ref() == CONTENTS.as_bytes();
    Ok(is_list && serde_json::from_reader::<_, Contents>(first).is_ok())
}

fn append(archive: &mut tar::Builder<impl Write>, name: &str, bytes: u64, content: impl Read) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes);
    header.set_mode(0o644);
    header.set_mtime(0);
    archive.append_data(&mut header, name, content)
}

fn name_of(path: &Path) -> String {
    let parts: Vec<_> = path.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    parts.join("/")
}

/// Unpacks an archive into an empty folder, and checks every file.
fn unpack(path: &Path, folder: &Path) -> Result<(), RegistryError> {
    let problem = |problem: String| RegistryError::Archive { path: path.to_owned(), problem };
    let damaged = |error: io::Error| problem(format!("it is no whole archive of records: {error}"));
    let file = File::open(path).map_err(RegistryError::io("read", path))?;
    let mut archive = tar::Archive::new(uncompressed(file).map_err(damaged)?);
    let mut contents: Option<Contents> = None;
    let mut found = 0;
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let Some(contents) = &contents else {
            if name != CONTENTS {
                return Err(problem(
                    "it does not begin with its list of files: `augtrial export records` makes one".to_owned(),
                ));
            }
            let read: Contents =
                serde_json::from_reader(&mut entry).map_err(|error| problem(format!("its list of files: {error}")))?;
            if read.format > FORMAT {
                return Err(problem(format!(
                    "it has format {}, and this augtrial knows {FORMAT}: use a newer one",
                    read.format
                )));
            }
            contents = Some(read);
            continue;
        };
        let mark = contents.files.get(&name).filter(|_| is_inside(&name) && entry.header().entry_type().is_file());
        let Some(mark) = mark else {
            return Err(problem(format!("it holds `{}`, which its list of files does not have", name.escape_debug())));
        };
        let target = folder.join(&name);
        let above = disk::parent(&target);
        disk::create_folder(above).map_err(RegistryError::io("create", above))?;
        // What is longer than it says ends here.
        let mut bounded = (&mut entry).take(mark.bytes + 1);
        let mut out = File::create_new(&target).map_err(RegistryError::io("create", &target))?;
        let bytes = io::copy(&mut bounded, &mut out).map_err(damaged)?;
        let digest = Digest::of_file(&target).map_err(RegistryError::io("read", &target))?;
        if (FileMark { bytes, digest }) != *mark {
            return Err(problem(format!("`{name}` was changed since it was exported")));
        }
        found += 1;
    }
    match contents {
        None => Err(problem("it is empty".to_owned())),
        Some(contents) if found < contents.files.len() => {
            Err(problem(format!("it holds {found} of {} files: it was cut", contents.files.len())))
        }
        Some(_) => Ok(()),
    }
}

/// Whether a name leads to a run's or a study's folder, and nowhere else.
fn is_inside(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    let first = parts.next().and_then(|part| part.as_os_str().to_str()).unwrap_or_default();
    let rest: Vec<Component<'_>> = parts.collect();
    let named = match first {
        STUDIES => rest.len() >= 2,
        "trials" => rest.len() == 2 && rest[0].as_os_str().to_str().is_some_and(|run| run.parse::<RunId>().is_ok()),
        _ => false,
    };
    named && rest.iter().all(|part| matches!(part, Component::Normal(name) if !name.to_string_lossy().starts_with('.')))
}

#[cfg(test)]
mod tests;
