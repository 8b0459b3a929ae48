#!/usr/bin/env python3
"""Measures on a machine with an NVIDIA GPU what this project claims for CPUs only, and prints a table for docs/gpu.md.

    python3 tools/gpu_check.py [--augtrial PROGRAM] [--device cuda:0] [--rounds N]
    python3 tools/gpu_check.py --rehearse      the same steps on the CPU and smaller, to test this script; measures nothing

Without a GPU that augtrial can use, it says why and exits with 2. If a check fails, it exits with 1. The comparison with PyTorch
needs torch and torchvision in the Python that runs this script. Everything is written to a temporary folder.
"""

import argparse
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

# Both are 32-bit; PyTorch lets cuDNN round the factors of convolutions to 10 bits (TF32), a relative error of 2^-11 a product.
LOSS_TOLERANCE = 5e-3
PROBABILITY_TOLERANCE = 0.02
# How long a run may take until a trial has saved its state.
KILL_WAIT_SECS = 300
POLL_SECS = 0.05

EXPERIMENT = """
[study]
name = "gpu"
seeds = {seeds}
[dataset.synthetic]
images = {images}
width_px = 96
height_px = 72
[ingest]
width_px = {width}
height_px = {height}
[split.stratified]
validation = 0.2
test = 0.2
[classifier]
batch_size = {batch}
budget = {{ epochs = {epochs} }}
device = "{device}"
threads = 2
optimizer.sgd = {{ learning_rate = 0.01, momentum = 0.9 }}
schedule.constant = {{}}
[[arm]]
name = "control"
role = "control"
"""


class Study:
    """An experiment in a folder of its own."""

    def __init__(self, program, folder, name, **settings):
        self.program, self.folder = program, pathlib.Path(folder, name)
        self.folder.mkdir()
        sizes = {"images": 120, "width": 64, "height": 48, "batch": 8, "epochs": 1, "seeds": [1]}
        (self.folder / "study.toml").write_text(EXPERIMENT.format(**(sizes | settings)))

    def call(self, *arguments, check=True):
        done = subprocess.run([self.program, *arguments], cwd=self.folder, capture_output=True, text=True)
        if check and done.returncode != 0:
            sys.exit(f"gpu_check: {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done

    def run(self, *options):
        """Seconds of a whole run."""
        begun = time.monotonic()
        self.call("run", "study.toml", "--quiet", *options)
        return time.monotonic() - begun

    def rows(self, table):
        """Rows of an exported table."""
        self.call("export", table, f"{table}.jsonl")
        return [json.loads(line) for line in (self.folder / f"{table}.jsonl").read_text().splitlines()]

    def start_and_kill(self):
        """Starts a run, and kills it and its workers once a trial has saved its state; whether it was still running then."""
        command = [self.program, "run", "study.toml", "--quiet", "--checkpoint-every", "1epoch"]
        process = subprocess.Popen(command, cwd=self.folder, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + KILL_WAIT_SECS
        while time.monotonic() < deadline and process.poll() is None:
            if any(self.folder.glob("runs/trials/*/checkpoint.safetensors")):
                break
            time.sleep(POLL_SECS)
        was_running = process.poll() is None
        if was_running:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return was_running


def largest_difference(one, other):
    """Of the probabilities of the same images."""
    def probabilities(study):
        return {row["image"]: [value for name, value in sorted(row.items()) if name.startswith("p_")] for row in study.rows("predictions")}

    a, b = probabilities(one), probabilities(other)
    assert a.keys() == b.keys() and a, "both tested the same images"
    return max(abs(x - y) for image in a for x, y in zip(a[image], b[image]))


def parity(context):
    """The same trial on the CPU and on the GPU."""
    cpu, gpu = context.study("parity-cpu", device="cpu"), context.study("parity-gpu")
    cpu.run()
    gpu.run()
    loss = [next(row["loss_nats"] for row in study.rows("epochs") if row["split"] == "train") for study in (cpu, gpu)]
    relative, probability = abs(loss[0] - loss[1]) / loss[0], largest_difference(cpu, gpu)
    told = f"training loss of an epoch differs by {relative:.1e} (relative), probabilities by at most {probability:.1e}"
    return told, relative <= LOSS_TOLERANCE and probability <= PROBABILITY_TOLERANCE


def repeat(context):
    """The same trial twice on the GPU; `replay` ends with 6 where bits differ."""
    study = context.study("repeat", epochs=2)
    study.run()
    done = study.call("replay", "latest", "--quiet", check=False)
    if done.returncode not in (0, 6):
        sys.exit(f"gpu_check: replay: {done.stderr}")
    grade = next((word for word in ("identical", "numerically close", "different") if word in done.stdout), "ungraded")
    return f"a replay is {grade}", grade in ("identical", "numerically close")


def kill(context):
    """A killed run continues, and ends where an undisturbed one ends."""
    undisturbed, killed = context.study("undisturbed", epochs=6), context.study("killed", epochs=6)
    undisturbed.run()
    if not killed.start_and_kill():
        return "the run ended before it could be killed", False
    killed.run()
    finished = [row for row in killed.rows("runs") if row["status"] == "finished"]
    probability = largest_difference(undisturbed, killed)
    return f"probabilities differ by at most {probability:.1e} from an undisturbed run", len(finished) == 1 and probability <= PROBABILITY_TOLERANCE


def several(context):
    """Four trials on one GPU, one after another and beside one another."""
    sizes = {"seeds": [1, 2, 3, 4], "epochs": 3 if context.rehearse else 30, "images": 240}
    secs = {jobs: context.study(f"jobs-{jobs}", **sizes).run("--jobs", str(jobs)) for jobs in (1, 2, 4)}
    told = ", ".join(f"{jobs} at once {value:.1f} s" for jobs, value in secs.items())
    return f"four trials, {told}", True


def torch_images_per_sec(context, width, height, batch, steps):
    """A plain PyTorch loop over pictures that are on the device already; None without torch and torchvision."""
    try:
        import torch
        from torchvision.models import resnet18
    except ImportError:
        return None
    device = torch.device(context.device)
    network = resnet18(num_classes=6).to(device, memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, fused=True)
    images = torch.rand(batch, 3, height, width, device=device).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, 6, (batch,), device=device)
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None

    def step():
        optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.cross_entropy(network(images), labels).backward()
        optimizer.step()

    for _ in range(3):
        step()
    wait()
    begun = time.perf_counter()
    for _ in range(steps):
        step()
    wait()
    return steps * batch / (time.perf_counter() - begun)


def throughput(context):
    """Training of ResNet18 by augtrial and by PyTorch, in turn; the first epoch of augtrial is left out."""
    width, height, batch, images = (64, 48, 8, 120) if context.rehearse else (224, 224, 64, 2400)
    own, peer = [], []
    for round_ in range(context.rounds):
        study = context.study(f"throughput-{round_}", width=width, height=height, batch=batch, images=images, epochs=4)
        study.run("--jobs", "1")
        epochs = [row for row in study.rows("epochs") if row["split"] == "train" and row["epoch"] > 1]
        own.append(statistics.median(row["samples"] / row["elapsed_secs"] for row in epochs))
        peer.append(torch_images_per_sec(context, width, height, batch, 5 if context.rehearse else 50))
    told = f"{statistics.median(own):.0f} images/s at {width}x{height}, batch {batch}, fp32"
    if None in peer:
        return f"{told}; PyTorch not measured: this Python lacks torch or torchvision", True
    return f"{told}; PyTorch without loading of images {statistics.median(peer):.0f}", True


CHECKS = [("CPU and GPU agree", parity), ("equal bits again", repeat), ("killed and continued", kill), ("several trials on one GPU", several), ("training speed", throughput)]


class Context:
    def __init__(self, arguments, folder):
        self.program, self.folder = str(pathlib.Path(arguments.augtrial).resolve()), folder
        self.rehearse, self.rounds = arguments.rehearse, 1 if arguments.rehearse else arguments.rounds
        self.device = "cpu" if arguments.rehearse else arguments.device

    def study(self, name, **settings):
        return Study(self.program, self.folder, name, **({"device": self.device} | settings))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--augtrial", default=pathlib.Path(__file__).resolve().parents[1] / "target/debug/augtrial")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rehearse", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        context = Context(arguments, folder)
        doctor = json.loads(subprocess.run([context.program, "doctor", "--json"], cwd=folder, capture_output=True, text=True, check=True).stdout)
        if not arguments.rehearse and doctor.get("GPU") != "used":
            print(f"gpu_check: nothing was measured; GPU: {doctor.get('GPU', doctor['LibTorch'])}", file=sys.stderr)
            sys.exit(2)
        print(f"augtrial {doctor['augtrial']}, LibTorch {doctor['LibTorch'].split()[0]}, device {context.device}, {doctor['cores']} cores")
        print("REHEARSAL on the CPU: no number below is a measurement" if arguments.rehearse else "")
        print("\n| check | found | |\n|---|---|---|")
        failed = False
        for name, check in CHECKS:
            told, passed = check(context)
            failed |= not passed
            print(f"| {name} | {told} | {'ok' if passed else 'FAILED'} |", flush=True)
        sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
