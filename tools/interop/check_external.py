"""Runs examples/external/torch.toml with the real PyTorch of `$PYTHON`. Run by `make test-external`."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from study import ROOT


def main():
    program = os.environ.get("AUGTRIAL_BIN", ROOT / "target/debug/augtrial")
    python = shutil.which(os.environ.get("PYTHON", sys.executable))
    assert python, "PYTHON names no program"
    python = os.path.abspath(python)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "examples/external", folder, dirs_exist_ok=True)
        run = f'classifier.command.run=["{python}", "train.py"]'

        def augtrial(*arguments):
            done = subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True)
            assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
            return done.stdout

        ended = augtrial("run", "torch.toml", "--quiet", "--set", run)
        assert "6 trials trained, 0 reused, 0 failed" in ended, ended
        compared = json.loads(augtrial("compare", "plain-pytorch", "--json"))
        assert [len(arm["values"]) for arm in compared["arms"]] == [3, 3], compared
        for trainer in pathlib.Path(folder, "runs/trials").glob("*/trainer.json"):
            software = json.loads(trainer.read_text())["software"]
            assert software.keys() == {"torch", "torchvision"}, software
            assert trainer.with_name("trainer-weights").stat().st_size > 40_000_000, "a ResNet-18's weights"
        print(f"ok: 6 trials of plain PyTorch {software['torch']}; {compared['contrasts'][0]['answer']}")


if __name__ == "__main__":
    main()
