//! Where a run was made and by what: recorded once, when its folder is created.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use augtrial_base::digest::{Digest, DigestBuilder};
use augtrial_plan::Override;

/// `provenance.json`: everything about a run's making that its plan does not say.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Provenance {
    pub augtrial_version: String,
    /// State of the working directory; absent where it is no git checkout.
    pub git: Option<GitState>,
    /// What trains: names and versions, such as `LibTorch`'s.
    pub backend: BTreeMap<String, String>,
    pub host: String,
    pub os: String,
    pub cpu_model: String,
    pub instruction_set: String,
    pub logical_cores: u32,
    /// Threads that one trial uses.
    pub threads: u32,
    /// Trials that ran at once, at most; absent in older records. Decides no result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jobs: Option<u32>,
    pub device: String,
    /// Switches that decide whether equal inputs give equal results.
    pub determinism: BTreeMap<String, String>,
    pub command_line: Vec<String>,
    pub experiment: Option<ExperimentSource>,
    /// Fields that the command line set over the experiment file, as typed.
    pub overrides: Vec<Override>,
}

/// Commit of the working directory and what had changed since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitState {
    pub commit: String,
    /// Digest of the changes against the commit and of the names of untracked files; absent if there are none.
    #[serde(default)]
    pub dirty: Option<Digest>,
}

/// The experiment file of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExperimentSource {
    pub path: String,
    pub digest: Digest,
    /// Seeds that the file itself declares, whatever the command line chose of them; empty in older records.
    #[serde(default)]
    pub seeds: Vec<u64>,
}

/// What only the caller knows of a run's making.
#[derive(Clone, Debug, Default)]
pub struct Making {
    pub backend: BTreeMap<String, String>,
    pub threads: u32,
    pub jobs: Option<u32>,
    pub device: String,
    pub determinism: BTreeMap<String, String>,
    pub command_line: Vec<String>,
    pub experiment: Option<ExperimentSource>,
    pub overrides: Vec<Override>,
}

impl Provenance {
    /// Completes what the caller knows by what this machine tells. Runs git in `work_dir`.
    ///
    /// What the machine does not tell is `unknown`; nothing here fails.
    #[must_use]
    pub fn collect(making: Making, work_dir: &Path) -> Self {
        let Making { backend, threads, jobs, device, determinism, command_line, experiment, overrides } = making;
        Self {
            augtrial_version: env!("CARGO_PKG_VERSION").to_owned(),
            git: GitState::of(work_dir),
            backend,
            host: host_name(),
            os: os_name(),
            cpu_model: cpu_model(),
            instruction_set: instruction_set().to_owned(),
            logical_cores: std::thread::available_parallelism().map_or(0, |cores| cores.get() as u32),
            threads,
            jobs,
            device,
            determinism,
            command_line,
            experiment,
            overrides,
        }
    }

    /// Every leaf as `path -> value`, such as `backend.libtorch -> 2.13.0`, sorted.
    #[must_use]
    pub fn leaves(&self) -> BTreeMap<String, String> {
        let value = serde_json::to_value(self).expect("plain data has a JSON form");
        let mut leaves = BTreeMap::new();
        collect_leaves("", &value, &mut leaves);
        leaves
    }
}

fn collect_leaves(path: &str, value: &serde_json::Value, leaves: &mut BTreeMap<String, String>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (key, field) in fields {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                collect_leaves(&path, field, leaves);
            }
        }
        serde_json::Value::Null => {}
        serde_json::Value::String(text) => drop(leaves.insert(path.to_owned(), text.clone())),
        other => drop(leaves.insert(path.to_owned(), other.to_string())),
    }
}

impl GitState {
    /// The state of the checkout that `folder` is in; `None` if it is in none, or git is not installed.
    #[must_use]
    pub fn of(folder: &Path) -> Option<Self> {
        let commit = String::from_utf8(git(folder, &["rev-parse", "--verify", "HEAD"])?).ok()?.trim().to_owned();
        let changes = git(folder, &["diff", "--no-ext-diff", "--no-textconv", "--no-color", "--binary", "HEAD"])?;
        let untracked = git(folder, &["ls-files", "--others", "--exclude-standard", "-z", "--full-name"])?;
        let dirty = (!changes.is_empty() || !untracked.is_empty()).then(|| {
            let mut digest = DigestBuilder::new("git-dirty-v1");
            digest.field(&changes).field(&untracked);
            digest.finish()
        });
        Some(Self { commit, dirty })
    }
}

fn git(folder: &Path, arguments: &[&str]) -> Option<Vec<u8>> {
    run("git", &[&["-C", folder.to_str()?], arguments].concat())
}

/// Standard output of a command that succeeded.
fn run(program: &str, arguments: &[&str]) -> Option<Vec<u8>> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output.status.success().then_some(output.stdout)
}

/// The first line of a file or, where there is none, of a command's output; `unknown` if neither is to be had.
fn first_line(file: &str, program: &str, arguments: &[&str]) -> String {
    let bytes = std::fs::read(file).ok().or_else(|| run(program, arguments)).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    match text.lines().next().map(str::trim) {
        Some(line) if !line.is_empty() => line.to_owned(),
        _ => "unknown".to_owned(),
    }
}

/// Name of this machine, as runs record it.
#[must_use]
pub fn host_name() -> String {
    first_line("/proc/sys/kernel/hostname", "hostname", &[])
}

fn os_name() -> String {
    format!("{} {}", std::env::consts::OS, first_line("/proc/sys/kernel/osrelease", "uname", &["-r"]))
}

fn cpu_model() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let named = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    named.map_or_else(
        || first_line("", "sysctl", &["-n", "machdep.cpu.brand_string"]),
        |(_, model)| model.trim().to_owned(),
    )
}

/// The widest vector instructions of this CPU: kernels are chosen by them, and so the last bits of a result.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
fn instruction_set() -> &'static str {
    if is_x86_feature_detected!("avx512f") {
        "avx512"
    } else if is_x86_feature_detected!("avx2") {
        "avx2"
    } else if is_x86_feature_detected!("avx") {
        "avx"
    } else {
        "sse2"
    }
}

#[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
fn instruction_set() -> &'static str {
    std::env::consts::ARCH
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn git_ok(folder: &Path, arguments: &[&str]) {
        let identity = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"];
        git(folder, &[&identity, arguments].concat()).expect("git works here");
    }

    #[test]
    fn git_tells_clean_from_changed_and_changed_from_changed_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        assert_eq!(GitState::of(folder.path()), None);
        fs::write(&file, "one").unwrap();
        git_ok(folder.path(), &["init", "-q"]);
        git_ok(folder.path(), &["add", "."]);
        git_ok(folder.path(), &["commit", "-q", "-m", "first"]);
        let clean = GitState::of(folder.path()).unwrap();
        assert_eq!((clean.commit.len(), clean.dirty), (40, None));

        fs::write(&file, "two").unwrap();
        let changed = GitState::of(folder.path()).unwrap();
        assert_eq!(changed.commit, clean.commit);
        fs::write(folder.path().join("untracked"), "").unwrap();
        let more = GitState::of(folder.path()).unwrap();
        assert!(changed.dirty.is_some() && more.dirty.is_some());
        assert_ne!(changed.dirty, more.dirty);
    }

    #[test]
    fn this_machine_tells_its_environment() {
        let folder = tempfile::tempdir().unwrap();
        let provenance = Provenance::collect(Making { threads: 2, ..Making::default() }, folder.path());
        assert_eq!(provenance.augtrial_version, env!("CARGO_PKG_VERSION"));
        assert!(provenance.logical_cores >= 1);
        assert_eq!(provenance.leaves()["threads"], "2");
        for field in [&provenance.host, &provenance.os, &provenance.cpu_model, &provenance.instruction_set] {
            assert!(!field.is_empty());
        }
    }

    #[test]
    fn leaves_are_named_by_their_path() {
        let backend = [("libtorch".to_owned(), "2.13.0".to_owned())].into();
        let git = Some(GitState { commit: "abc".to_owned(), dirty: None });
        let leaves = Provenance { git, backend, ..Provenance::default() }.leaves();
        assert_eq!(leaves["backend.libtorch"], "2.13.0");
        assert_eq!(leaves["git.commit"], "abc");
        assert!(!leaves.contains_key("git.dirty"));
    }

    #[test]
    fn fields_of_a_newer_version_are_passed_over() {
        let read: Provenance = serde_json::from_str(r#"{"host":"h","from_the_future":[1]}"#).unwrap();
        assert_eq!(read.host, "h");
    }
}
