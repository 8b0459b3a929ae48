"""Times training by augtrial, a plain and a tuned PyTorch script, in turn: same photos, same steps, same input, two threads.

    python training.py DATA --augtrial target/debug/augtrial --python PYTHON
        [--cases WIDTHxHEIGHT:UPDATES ...] [--rounds N] [--epochs N] [--batch N] [--threads N]

DATA is a folder in TrashNet's layout (photos.py says which, and makes a synthetic one). PYTHON has torch, torchvision and
pillow. A case trains ResNet18 on the first UPDATES * BATCH photos of the training part and validates on the same share as
TrashNet does. Epochs are timed from outside in the same way for all: from the record of one validation to that of the next, which
includes checkpoints, the start of loaders and other overhead. The first epoch of every process is left out.
Prints a Markdown table; --json FILE writes every single measurement.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from photos import CLASSES, IMAGES, INDICES, SGD, SHARES, size

HERE = Path(__file__).parent
CONTESTANTS = ["plain fp32", "tuned fp32", "tuned bf16", "augtrial fp32", "augtrial bf16"]
# Seconds between two looks at a run's record.
POLL_SECS = 0.005
# Read once at the end, never timed.
TEST_IMAGES = 24


class Case:
    """One input size, with the index files that say which photos all programs train on."""

    def __init__(self, text, arguments, folder):
        dimensions, updates = text.split(":")
        self.name, self.size, self.updates = dimensions, size(dimensions), int(updates)
        self.batch, self.epochs, self.threads = arguments.batch, arguments.epochs, arguments.threads
        self.images = Path(arguments.data, IMAGES).resolve()
        training = self.updates * self.batch
        counts = {"train": training, "val": round(training * SHARES["val"] / SHARES["train"]), "test": TEST_IMAGES}
        self.indices = {}
        for part, count in counts.items():
            lines = Path(arguments.data, INDICES[part]).read_text().splitlines(keepends=True)
            if len(lines) < count:
                sys.exit(f"{INDICES[part]} has {len(lines)} photos, and {text} needs {count}: ask for fewer updates")
            self.indices[part] = Path(folder, f"{dimensions}-{part}.txt").resolve()
            self.indices[part].write_text("".join(lines[:count]))

    def peer_command(self, python, script, *options):
        return [
            *[python, HERE / script, self.images, "--train", self.indices["train"]],
            *["--validation", self.indices["val"], "--size", self.name, "--batch", str(self.batch)],
            *["--epochs", str(self.epochs), "--threads", str(self.threads), *options],
        ]

    def experiment(self, precision):
        width, height = self.size
        return f"""
            [study]
            name = "speed"
            seeds = [1]
            [dataset.index]
            path = {json.dumps(str(self.images))}
            classes = {json.dumps(CLASSES)}
            train = {json.dumps(str(self.indices["train"]))}
            validation = {json.dumps(str(self.indices["val"]))}
            test = {json.dumps(str(self.indices["test"]))}
            [ingest]
            width_px = {width}
            height_px = {height}
            [classifier]
            batch_size = {self.batch}
            budget = {{ epochs = {self.epochs} }}
            device = "cpu"
            threads = {self.threads}
            precision = "{precision}"
            optimizer.sgd = {{ learning_rate = {SGD["lr"]}, momentum = {SGD["momentum"]}, weight_decay = {SGD["weight_decay"]} }}
            schedule.constant = {{}}
            [[arm]]
            name = "flipped"
            role = "control"
            online = [{{ horizontal_flip = {{}} }}]
            """


class Record:
    """What one process reported, and when each line came."""

    def __init__(self, epochs, ends, cost=None):
        self.epochs, self.cost = epochs[1:], cost
        self.epoch_secs = [later - earlier for earlier, later in zip(ends, ends[1:])]

    def median(self, value):
        return statistics.median(map(value, self.epochs))

    def data_share(self):
        """Share of the training steps' time that was spent waiting for data. Only augtrial reports it."""
        if self.cost is None:
            return None
        parts = ["data_secs", "forward_secs", "backward_secs", "optimizer_secs"]
        return self.cost["data_secs"] / sum(self.cost[part] for part in parts)

    def summary(self):
        per_image = lambda part: self.median(lambda epoch: epoch[part]["secs"] / epoch[part]["images"])
        return {
            "epoch_secs": statistics.median(self.epoch_secs),
            "training_images_per_sec": 1 / per_image("train"),
            "evaluation_cost": per_image("validation") / per_image("train"),
            "data_share": self.data_share(),
        }


def measure_peer(command, environment):
    epochs, ends = [], []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        for line in process.stdout:
            ends.append(time.perf_counter())
            epochs.append(json.loads(line))
    if process.returncode != 0:
        sys.exit(f"{command[1]} failed")
    return Record(epochs, ends)


def measure_ours(program, case, precision, environment):
    with tempfile.TemporaryDirectory() as folder:
        experiment = Path(folder, "speed.toml")
        experiment.write_text(case.experiment(precision))
        command = [program, "run", experiment, "--quiet", "--runs", f"{folder}/runs", "--reports", f"{folder}/reports"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) as process:
            events, ends = follow(process, Path(folder, "runs", "trials"))
        if process.returncode != 0:
            sys.exit(f"{program} failed")
    metrics = [event["metrics"] for event in events if event["event"] == "epoch"]
    part = lambda found: {"secs": found["elapsed_secs"], "images": found["samples"], "top1": found["top1"]}
    epochs = [
        {found["split"]: part(found) for found in metrics if found["epoch"] == epoch}
        for epoch in range(1, case.epochs + 1)
    ]
    return Record(epochs, ends, next(event["cost"] for event in events if event["event"] == "cost"))


def follow(process, trials):
    """The events of the one run below `trials`, and the time at which each validation was recorded."""
    events, ends, position = [], [], 0
    while True:
        running = process.poll() is None
        for file in trials.glob("*/events.jsonl"):
            text = file.read_bytes()[position:]
            whole = text[: text.rfind(b"\n") + 1]
            position += len(whole)
            for line in whole.splitlines():
                events.append(json.loads(line))
                if events[-1]["event"] == "epoch" and events[-1]["metrics"]["split"] == "validation":
                    ends.append(time.perf_counter())
        if not running:
            return events, ends
        time.sleep(POLL_SECS)


def measure(contestant, case, arguments, environment):
    name, precision = contestant.split()
    if name == "augtrial":
        return measure_ours(arguments.augtrial, case, precision, environment)
    options = ["--precision", precision] if name == "tuned" else []
    return measure_peer(case.peer_command(arguments.python, f"torch_{name}.py", *options), environment)


def table(found):
    """`found[case][contestant]` is a list of summaries, one a round."""
    rows = [
        "| input | | epoch, s | training, images/s | evaluation / training, per image | waiting for data | faster than plain "
        "| faster than tuned |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for case, contestants in found.items():
        for contestant, rounds in contestants.items():
            median = lambda key: statistics.median(one[key] for one in rounds)
            own = [one["epoch_secs"] for one in rounds]
            precision = contestant.split()[1]
            waiting = f"{median('data_share'):.1%}" if contestant.startswith("augtrial") else ""
            ratios = [
                ratio(contestants.get(other), own) if contestant.startswith("augtrial") else ""
                for other in ("plain fp32", f"tuned {precision}")
            ]
            rows.append(
                f"| {case} | {contestant} | {median('epoch_secs'):.2f} ({min(own):.2f} to {max(own):.2f}) "
                f"| {median('training_images_per_sec'):.1f} | {median('evaluation_cost'):.2f} | {waiting} | {ratios[0]} | {ratios[1]} |"
            )
    return "\n".join(rows)


def ratio(theirs, own):
    """Round by round, because only programs of the same round ran at about the same time."""
    if not theirs:
        return ""
    ratios = [one["epoch_secs"] / mine for one, mine in zip(theirs, own)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--augtrial", default="target/debug/augtrial")
    parser.add_argument("--python", default=sys.executable, help="for the peers")
    parser.add_argument("--cases", nargs="+", default=["224x224:12", "96x72:30"], metavar="WIDTHxHEIGHT:UPDATES")
    parser.add_argument("--contestants", nargs="+", choices=CONTESTANTS, default=CONTESTANTS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3, help="the first is not counted")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, help="file for every measurement")
    arguments = parser.parse_args()
    if arguments.epochs < 2:
        parser.error("the first epoch is not counted: --epochs must be at least 2")
    environment = os.environ | {"OMP_NUM_THREADS": str(arguments.threads)}
    with tempfile.TemporaryDirectory() as folder:
        cases = [Case(text, arguments, folder) for text in arguments.cases]
        found = {case.name: {contestant: [] for contestant in arguments.contestants} for case in cases}
        for number in range(arguments.rounds):
            for case in cases:
                # In alternating order, so that a machine that gets slower favors none.
                for contestant in arguments.contestants[:: 1 if number % 2 == 0 else -1]:
                    summary = measure(contestant, case, arguments, environment).summary()
                    found[case.name][contestant].append(summary)
                    print(f"round {number + 1}: {case.name} {contestant}: {summary}", file=sys.stderr)
                    if arguments.json:
                        arguments.json.write_text(json.dumps(found, indent=1))
    print(table(found))


if __name__ == "__main__":
    main()
