"""Installs a wheel of augtrial into fresh virtual environments, beside PyTorch's wheel, and uses it. Run by `make test-wheel`.

    python3 check_wheel.py WHEEL PYTHON...            LibTorch and the two packages that its CPU side needs (1.2 GB an environment)
    python3 check_wheel.py --full WHEEL PYTHON...     everything that the wheel requires (7 GB an environment)

With the first PYTHON the whole quickstart is run, with the others a short form of it. Nothing of the caller's environment reaches
the programs, LD_LIBRARY_PATH least of all.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from setup_libtorch import WHEELS

SHORT = ["--set", "dataset.synthetic.images=72", "--set", "classifier.budget.updates=2", "--seeds", "1"]


class Environment:
    """A fresh virtual environment, and a folder to work in."""

    def __init__(self, folder, python):
        self.folder, self.work = folder / "env", folder / "work"
        self.work.mkdir()
        subprocess.run([python, "-m", "venv", self.folder], check=True)
        self.clean = {"PATH": "/usr/bin:/bin", "HOME": str(self.work)}

    def pip(self, *arguments):
        command = [self.folder / "bin/python", "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def call(self, program, *arguments):
        command = [self.folder / "bin" / program, *arguments]
        return subprocess.run(command, cwd=self.work, env=self.clean, capture_output=True, text=True)

    def succeed(self, program, *arguments):
        done = self.call(program, *arguments)
        assert done.returncode == 0, f"{program} {arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def doctor(self):
        return json.loads(self.succeed("augtrial", "doctor", "--json"))

    @property
    def torch(self):
        (found,) = self.folder.glob("lib/python3*/site-packages/torch")
        return found

    def is_ours(self, told):
        """Whether `2.13.0 in FOLDER`, which doctor says, is of this environment."""
        version, _, folder = told.partition(" in ")
        return version.startswith("2.13.") and pathlib.Path(folder).resolve() == (self.torch / "lib").resolve()


def install(environment, wheel, full):
    """Installs the wheel beside PyTorch, and gives PyTorch's version."""
    if full:
        environment.pip("install", wheel)
    else:
        # The same wheels as the source tree's LibTorch is from, but whatever torch the wheel's requirement gives.
        small = [requirement for requirement, _, _ in WHEELS if not requirement.startswith("torch==")]
        environment.pip("install", "--no-deps", "torch==2.13.*", *small, wheel)
    ask = "import importlib.metadata as m; print(m.requires('augtrial'), m.version('torch'), sep='\\n')"
    requires, version = environment.succeed("python", "-c", ask).split("\n")[:2]
    assert requires == "['torch==2.13.*']", requires
    return version


def works(environment, whole):
    """The programs find PyTorch's LibTorch and compute with it."""
    assert environment.succeed("augtrial", "--version").startswith("augtrial ")
    told = environment.doctor()
    assert environment.is_ours(told["LibTorch"]), told
    assert told["build"].startswith("to be installed anywhere"), told
    # As the script of a cluster starts it: without the other program.
    setup = json.loads(environment.succeed("augtrial-torch", "setup", "cpu"))
    assert setup["libtorch"].startswith("2.13."), setup
    begun = time.monotonic()
    if whole:
        answer = environment.succeed("augtrial", "quickstart", "--quiet")
        assert "9 trials trained, 0 reused, 0 failed" in answer, answer
    else:
        environment.succeed("augtrial", "quickstart", "--write-only")
        answer = environment.succeed("augtrial", "run", "quickstart/experiments/quickstart.toml", "--quiet", *SHORT)
        assert "3 trials trained, 0 reused, 0 failed" in answer, answer
    assert "identical" in environment.succeed("augtrial", "replay", "latest", "--quiet")
    return told, time.monotonic() - begun


def refuses_another_version(environment):
    """A PyTorch of another version is named, and not started."""
    stated = environment.torch / "version.py"
    kept = stated.read_text()
    stated.write_text("__version__ = '2.12.1+cu130'\n")
    failed = environment.call("augtrial", "replay", "latest")
    stated.write_text(kept)
    assert failed.returncode == 1 and "2.12.1+cu130" in failed.stderr and "torch==2.13.*" in failed.stderr, failed.stderr


def borrows_and_misses(environment, folder, python, wheel):
    """An environment without PyTorch says so, and uses one whose packages it sees."""
    (folder / "other").mkdir()
    other = Environment(folder / "other", python)
    other.pip("install", "--no-deps", wheel)
    told = other.doctor()["LibTorch"]
    assert told.startswith("unusable") and "pip install 'torch==2.13.*'" in told, told
    (packages,) = other.folder.glob("lib/python3*/site-packages")
    (packages / "borrowed.pth").write_text(f"{environment.torch.parent}\n")
    assert environment.is_ours(other.doctor()["LibTorch"]), other.doctor()


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != "--full"]
    if len(arguments) < 2:
        sys.exit("check_wheel: name the wheel, and the Pythons to test it with")
    wheel, pythons = pathlib.Path(arguments[0]).resolve(), arguments[1:]
    for index, python in enumerate(pythons):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            environment = Environment(folder, python)
            torch = install(environment, wheel, "--full" in sys.argv)
            told, secs = works(environment, whole=index == 0)
            refuses_another_version(environment)
            borrows_and_misses(environment, folder, python, wheel)
            study = "quickstart" if index == 0 else "short quickstart"
            print(f"ok: {python}, torch {torch}: {study} and a replay in {secs:.0f} s; GPU: {told['GPU']}", flush=True)


if __name__ == "__main__":
    main()
