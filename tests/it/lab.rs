//! A temporary folder with an experiment, and the program run in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A small study on rendered images: two arms, two seeds, a few updates of a small network, one thread so that bits can be compared.
pub const TINY: &str = r#"
[study]
name = "tiny"
seeds = [1, 2]

[dataset.synthetic]
images = 72
width_px = 32
height_px = 32

[ingest]
width_px = 16
height_px = 16

[split.stratified]
validation = 0.2
test = 0.2

[classifier]
architecture = "resnet20"
batch_size = 16
budget = { updates = 6 }
device = "cpu"
threads = 1

[classifier.optimizer.sgd]
learning_rate = 0.01

[[arm]]
name = "control"
role = "control"

[[arm]]
name = "flipped"
online = [{ shift = {} }]

[[arm.offline]]
copies = 1
apply = [{ horizontal_flip = { p = 1.0 } }, { gaussian_noise = {} }]
"#;

/// [`TINY`] with the network that nobody names, on images that it takes.
pub fn tiny_resnet18() -> String {
    TINY.replace("architecture = \"resnet20\"\n", "")
        .replace("[ingest]\nwidth_px = 16\nheight_px = 16", "[ingest]\nwidth_px = 32\nheight_px = 32")
}

/// A folder of its own, removed at the end.
pub struct Lab {
    folder: tempfile::TempDir,
}

impl Lab {
    /// With `experiment.toml` of this content.
    pub fn new(experiment: &str) -> Self {
        let lab = Self { folder: tempfile::tempdir().unwrap() };
        lab.write("experiment.toml", experiment);
        lab
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    pub fn write(&self, below: &str, content: impl AsRef<[u8]>) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// The program, in the folder, with clean settings.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_augtrial"));
        command.current_dir(self.folder.path()).args(arguments);
        command.env_remove("AUGTRIAL_RUNS").env_remove("AUGTRIAL_REPORTS").env_remove("AUGTRIAL_DATA");
        // Trials this small are over before workers have started.
        command.env("AUGTRIAL_JOBS", "1");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Standard output of a run that must succeed.
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        assert!(output.status.success(), "{arguments:?} failed:\n{}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Standard error of a run that must end with this exit code.
    pub fn fail(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}:\n{}\n{errors}", text(&output.stdout));
        errors.replace(self.folder.path().to_str().unwrap(), "[lab]")
    }

    /// Every file of the materialized sets; locks are not part of a set.
    pub fn sets(&self) -> Vec<(String, Vec<u8>)> {
        let is_lock = |name: &str| Path::new(name).extension().is_some_and(|ending| ending == "lock");
        self.tree("runs/sets").into_iter().filter(|(name, _)| !is_lock(name)).collect()
    }

    /// The weights that runs left, sorted by run.
    pub fn weights(&self) -> Vec<PathBuf> {
        let runs = fs::read_dir(self.path("runs/trials")).unwrap().map(|run| run.unwrap().path());
        let mut found: Vec<PathBuf> =
            runs.map(|run| run.join("weights.safetensors")).filter(|file| file.exists()).collect();
        found.sort();
        found
    }

    /// Every file below a folder with its content, sorted.
    pub fn tree(&self, below: &str) -> Vec<(String, Vec<u8>)> {
        let root = self.path(below);
        let mut found = Vec::new();
        collect(&root, &root, &mut found);
        found.sort();
        found
    }
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            collect(root, &path, found);
        } else {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            found.push((name, fs::read(&path).unwrap()));
        }
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
