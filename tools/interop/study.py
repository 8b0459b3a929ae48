"""Makes a small finished study to export, and runs the program on it."""

import json
import os
import pathlib
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]

EXPERIMENT = """
[study]
name = "interop"
title = "Exports are read by the tools they are for"
seeds = [1, 2]
[dataset.synthetic]
images = 72
width_px = 32
height_px = 32
[ingest]
width_px = 32
height_px = 32
[split.stratified]
validation = 0.2
test = 0.2
[classifier]
batch_size = 16
budget = { epochs = 3 }
device = "cpu"
[classifier.optimizer.sgd]
learning_rate = 0.01
[[arm]]
name = "control"
role = "control"
[[arm]]
name = "flipped"
online = [{ horizontal_flip = {} }]
"""


class Study:
    """Runs in a temporary folder, removed at the end."""

    def __enter__(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self.temporary.name)
        (self.folder / "experiment.toml").write_text(EXPERIMENT)
        self.augtrial("run", "experiment.toml", "--quiet")
        return self

    def __exit__(self, *_):
        self.temporary.cleanup()

    def augtrial(self, *arguments, fails=False):
        """Standard output of a command that must succeed; standard error of one that must not."""
        program = os.environ.get("AUGTRIAL_BIN", ROOT / "target/debug/augtrial")
        done = subprocess.run([program, *arguments], cwd=self.folder, capture_output=True, text=True)
        assert (done.returncode != 0) == fails, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stderr if fails else done.stdout

    def table(self, name):
        """Rows of an exported table."""
        self.augtrial("export", name, f"{name}.jsonl")
        return [json.loads(line) for line in (self.folder / f"{name}.jsonl").read_text().splitlines()]

    def epochs(self, run, split, column):
        """Values of one part of a run, by epoch."""
        rows = [row for row in self.table("epochs") if row["run"] == run and row["split"] == split]
        return {row["epoch"]: row[column] for row in rows}
