"""Compares the throughput of one trial at a time on all threads with two at a time on one thread each.

    python jobs.py AUGTRIAL [--case small|large|mixed]... [--rounds N] [--work DIR]

Each measurement runs a rendered study from start to end in a fresh registry. Images are rendered and decoded before, which is not
measured. Rounds are interleaved, so that a change of load slows both alike. The result is the ratio; it is above 1 if two jobs
are faster. `default` is what `augtrial plan` would choose. Standard library only.

Cases, with ResNet18: `small`, batch 16 at 64x48; `large`, batch 32 at 128x96; `mixed`, batch 16 at 64x48 with an arm of edits
by models/editor-small and one of transforms.
"""

import argparse
import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EDITOR = Path(__file__).resolve().parents[2] / "models" / "editor-small"

STUDY = """
[study]
name = "jobs"
seeds = [1, 2]

[dataset.synthetic]
images = {images}
width_px = {width}
height_px = {height}

[ingest]
width_px = {width}
height_px = {height}

[split.stratified]
validation = 0.1
test = 0.1

[classifier]
batch_size = {batch}
budget = {{ updates = {updates} }}
epoch_rule = "last"
device = "cpu"

[classifier.optimizer.sgd]
learning_rate = 0.01

[[arm]]
name = "control"
role = "control"
"""

EDITS = """
[[arm]]
name = "edited"
[arm.edit.ip2p]
bundle = "{editor}"
scheduler = "euler"
steps = 4
text_guidance = 1.0
image_guidance = 1.0
copies = 1
[arm.edit.ip2p.instructions]
"*" = ["make it night", "add fog", "put it on grass"]
"""

CASES = {
    "small": {"width": 64, "height": 48, "batch": 16, "images": 240, "updates": 40},
    "large": {"width": 128, "height": 96, "batch": 32, "images": 160, "updates": 6},
    "mixed": {"width": 64, "height": 48, "batch": 16, "images": 60, "updates": 20, "edits": True},
}
MODES = {"one": ["--jobs", "1"], "two": ["--jobs", "2"]}


def experiment(case):
    text = STUDY.format(**case)
    return text + EDITS.format(editor=EDITOR) if case.get("edits") else text


def run(program, folder, runs, *arguments):
    command = [program, *arguments, "--runs", runs, "--reports", f"{runs}-reports", "--quiet"]
    environment = {name: value for name, value in os.environ.items() if name != "AUGTRIAL_JOBS"}
    return subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout


def cpu_secs():
    """Of all processes that have ended so far. Printed beside the wall time, which other programs on the machine increase."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(program, name, rounds, work):
    """Seconds of every round in both modes, and the default."""
    with tempfile.TemporaryDirectory(dir=work) as folder:
        Path(folder, "study.toml").write_text(experiment(CASES[name]))
        plan = run(program, folder, "plain", "plan", "study.toml")
        default = re.search(r"^jobs: (.*)$", plan, re.MULTILINE)[1]
        # One update of the control decodes the images for all later runs.
        once = ["--arm", "control", "--seeds", "1", "--set", "classifier.budget={ updates = 1 }"]
        run(program, folder, "warm", "run", "study.toml", *once)
        seconds = {mode: [] for mode in MODES}
        for number in range(rounds):
            # The order alternates, so that warming up or throttling favors neither.
            for mode in list(MODES)[:: 1 if number % 2 == 0 else -1]:
                runs = f"{mode}-{number}"
                for kept in ("synthetic", "cache"):
                    shutil.copytree(Path(folder, "warm", kept), Path(folder, runs, kept))
                start, cpu_start = time.perf_counter(), cpu_secs()
                run(program, folder, runs, "run", "study.toml", *MODES[mode])
                seconds[mode].append(time.perf_counter() - start)
                cpu = cpu_secs() - cpu_start
                print(f"{name} {mode}: {seconds[mode][-1]:.1f} s, {cpu:.1f} of a processor's", file=sys.stderr)
                shutil.rmtree(Path(folder, runs))
        return seconds, default


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", metavar="AUGTRIAL")
    parser.add_argument("--case", action="append", choices=CASES, help="default: all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", help="folder for the registries; a temporary one if absent")
    arguments = parser.parse_args()
    program = str(Path(arguments.program).resolve())
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", file=sys.stderr)
    for name in arguments.case or CASES:
        seconds, default = measure(program, name, arguments.rounds, arguments.work)
        ratios = [one / two for one, two in zip(seconds["one"], seconds["two"])]
        result = {
            "case": name,
            "one_secs": [round(value, 2) for value in seconds["one"]],
            "two_secs": [round(value, 2) for value in seconds["two"]],
            "ratios": [round(value, 2) for value in ratios],
            "median_ratio": round(statistics.median(ratios), 2),
            "default": default,
        }
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
