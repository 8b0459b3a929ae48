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

# After one update. PyTorch lets cuDNN round the factors of convolutions to 10 bits (TF32), a relative error of 2^-11 a product.
# Without it, both compute in 32 bits, in another order. Three times what an H200 gave (docs/gpu.md); a wrong operation gives far more.
TOLERANCES = {"TF32": 2e-2, "no TF32": 1e-3}
EDIT_TOLERANCE_LEVELS = 1.0
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
budget = {{ {budget} }}
device = "{device}"
precision = "{precision}"
{more}
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
        self.settings = settings
        self.change()

    def change(self, **settings):
        """Other settings in the same folder, whose data are reused."""
        sizes = {"images": 120, "width": 64, "height": 48, "batch": 8, "budget": "epochs = 1", "seeds": [1], "precision": "fp32", "more": ""}
        (self.folder / "study.toml").write_text(EXPERIMENT.format(**(sizes | self.settings | settings)))
        return self

    def call(self, *arguments, check=True, environment=None):
        command = [self.program, *arguments]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, env=os.environ | (environment or {}))
        if check and done.returncode != 0:
            sys.exit(f"gpu_check: {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done

    def run(self, *options, environment=None):
        """Seconds of a whole run."""
        begun = time.monotonic()
        self.call("run", "study.toml", "--quiet", *options, environment=environment)
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
    """The same trial on the CPU and on the GPU. Training multiplies the smallest difference, so only the first update must agree."""
    told, passed = [], True
    for name, environment in {"TF32": {}, "no TF32": {"NVIDIA_TF32_OVERRIDE": "0"}}.items():
        for updates in (1, 20):
            sizes = {"batch": 32, "budget": f"updates = {updates}"}
            pair = [context.study(f"parity-{name}-{updates}-{n}", device=device, **sizes) for n, device in enumerate(["cpu", context.device])]
            for study in pair:
                study.run(environment=environment)
            loss = [next(row["loss_nats"] for row in study.rows("epochs") if row["split"] == "train") for study in pair]
            relative, probability = abs(loss[0] - loss[1]) / loss[0], largest_difference(*pair)
            told.append(f"{name}, {updates} updates: loss {relative:.0e} (relative), probabilities {probability:.0e} at most")
            passed &= updates > 1 or max(relative, probability) <= TOLERANCES[name]
    return "; ".join(told), passed


def replayed(study):
    """The grade of a replay of the latest run; `replay` ends with 6 where bits differ."""
    done = study.call("replay", "latest", "--quiet", check=False)
    if done.returncode not in (0, 6):
        sys.exit(f"gpu_check: replay: {done.stderr}")
    return next((word for word in ("identical", "numerically close", "different") if word in done.stdout), "ungraded")


def repeat(context):
    """The same trial twice on the GPU, as PyTorch chooses its algorithms."""
    study = context.study("repeat", budget="epochs = 2")
    study.run()
    return f"a replay is {replayed(study)}", True


def deterministic(context):
    """The same with deterministic algorithms, in either precision: all bits must be equal."""
    grades = {}
    for precision in ("fp32", "bf16"):
        study = context.study(f"deterministic-{precision}", budget="epochs = 2", precision=precision, more="deterministic = true")
        study.run()
        grades[precision] = replayed(study)
    return ", ".join(f"{precision}: a replay is {grade}" for precision, grade in grades.items()), set(grades.values()) == {"identical"}


def kill(context):
    """A killed run continues, and ends where an undisturbed one ends: with deterministic algorithms, in the same bits."""
    sizes = {"budget": "epochs = 6", "more": "deterministic = true"}
    undisturbed, killed = context.study("undisturbed", **sizes), context.study("killed", **sizes)
    undisturbed.run()
    if not killed.start_and_kill():
        return "the run ended before it could be killed", False
    killed.run()
    finished = [row for row in killed.rows("runs") if row["status"] == "finished"]
    probability = largest_difference(undisturbed, killed)
    return f"probabilities differ by at most {probability:.1e} from an undisturbed run", len(finished) == 1 and probability == 0


def waits(context):
    """The host waits for the device as often in an epoch of many updates as in one of few."""
    library = pathlib.Path(context.folder, "waits.so")
    source = pathlib.Path(__file__).with_name("gpu_waits.c")
    try:
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", source, "-o", library, "-ldl"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        return f"not counted: no C compiler ({error})", True
    found = []
    for images in (120, 480):
        study, log = context.study(f"waits-{images}", images=images, budget="epochs = 2"), pathlib.Path(context.folder, f"waits-{images}.jsonl")
        preload = " ".join(filter(None, [str(library), os.environ.get("LD_PRELOAD")]))
        study.run("--jobs", "1", environment={"LD_PRELOAD": preload, "GPU_WAITS": str(log)})
        lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        counts = max(lines, key=lambda line: line["launches"], default={"launches": 0, "waits": 0})
        updates = max(row["updates"] for row in study.rows("epochs"))
        found.append((updates, counts["waits"], counts["launches"]))
    told = "; ".join(f"{updates} updates: {launches} kernels, {waits} waits" for updates, waits, launches in found)
    (few, waits_of_few, _), (many, waits_of_many, launches) = found
    # Evaluation waits once a batch, and there are four times as many batches of test images, too: at most one for two updates.
    return told, context.rehearse or (launches > 0 and waits_of_many - waits_of_few < (many - few) / 2)


def several(context):
    """Eight trials on one GPU, so many at once, small ones and large ones."""
    told = []
    cases = {"64x48, batch 8": {"images": 240, "epochs": 12}, "224x224, batch 64": {"images": 640, "width": 224, "height": 224, "batch": 64, "epochs": 8}}
    for name, case in cases.items():
        if context.rehearse:
            case |= {"images": 120, "width": 64, "height": 48, "batch": 8, "epochs": 1}
        epochs = case.pop("epochs")
        study, secs = context.study(f"jobs-{len(told)}", **case), {}
        study.run()  # makes the data
        for jobs in (1, 2, 4):
            seeds = list(range(8 * jobs, 8 * jobs + 8))
            secs[jobs] = study.change(**case, seeds=seeds, budget=f"epochs = {epochs}").run("--jobs", str(jobs))
        told.append(f"{name}: " + ", ".join(f"{jobs} at once {value:.1f} s" for jobs, value in secs.items()))
    return "eight trials of " + "; of ".join(told), True


def edits(context):
    """The same edit on the CPU and on the GPU, by the small editor of the repository."""
    if not context.editor.is_dir():
        return f"not made: there is no editor in {context.editor}", True
    from PIL import Image

    picture = pathlib.Path(context.folder, "picture.png")
    Image.effect_mandelbrot((96, 72), (-2.0, -1.5, 1.0, 1.5), 100).convert("RGB").save(picture)
    made = []
    for number, device in enumerate(["cpu", context.device]):
        out = pathlib.Path(context.folder, f"edits-{number}")
        command = [context.program, "edit", picture, "make it look like it is made of iron", "--model", context.editor, "--out", out]
        done = subprocess.run([*command, "--device", device, "--seeds", "0-3", "--quiet"], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"gpu_check: edit: {done.stderr}")
        files = sorted(path for path in out.rglob("*.png") if "sheet" not in path.name)
        made.append([Image.open(path).convert("RGB").tobytes() for path in files])
    ours, theirs = made
    differences = [abs(a - b) for one, other in zip(ours, theirs, strict=True) for a, b in zip(one, other, strict=True)]
    mean, largest = statistics.fmean(differences), max(differences)
    return f"{len(ours)} pictures differ by {mean:.3f} of 255 levels on average, {largest} at most", mean <= EDIT_TOLERANCE_LEVELS


def torch_images_per_sec(context, width, height, batch, steps, precision):
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
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            scores = network(images)
        torch.nn.functional.cross_entropy(scores.float(), labels).backward()
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
    width, height, batch, images = (64, 48, 8, 120) if context.rehearse else (224, 224, 64, 2560)
    told, study = [], context.study("throughput", width=width, height=height, batch=batch, images=images, budget="epochs = 4")
    cases = {"fp32": ("fp32", ""), "bf16": ("bf16", ""), "fp32, deterministic": ("fp32", "deterministic = true")}
    for name, (precision, more) in cases.items():
        own, peer = [], []
        for round_ in range(context.rounds):
            seed = len(told) * context.rounds + round_
            study.change(seeds=[seed], precision=precision, more=more).run("--jobs", "1")
            epochs = [row for row in study.rows("epochs") if row["split"] == "train" and row["epoch"] > 1 and row["seed"] == seed]
            own.append(statistics.median(row["samples"] / row["elapsed_secs"] for row in epochs))
            if not more:
                peer.append(torch_images_per_sec(context, width, height, batch, 5 if context.rehearse else 50, precision))
        beside = "" if more else "; PyTorch not measured" if None in peer else f", PyTorch without loading {statistics.median(peer):.0f}"
        told.append(f"{name}: {statistics.median(own):.0f}{beside}")
    return f"images/s at {width}x{height}, batch {batch}: " + "; ".join(told), True


CHECKS = {
    "CPU and GPU agree": parity,
    "equal bits again": repeat,
    "deterministic algorithms": deterministic,
    "killed and continued": kill,
    "waits for the GPU": waits,
    "edits agree": edits,
    "training speed": throughput,
    "several trials on one GPU": several,
}


class Context:
    def __init__(self, arguments, folder):
        self.program, self.folder = str(pathlib.Path(arguments.augtrial).resolve()), folder
        self.rehearse, self.rounds = arguments.rehearse, 1 if arguments.rehearse else arguments.rounds
        self.device = "cpu" if arguments.rehearse else arguments.device
        self.editor = pathlib.Path(arguments.editor)

    def study(self, name, **settings):
        return Study(self.program, self.folder, name, **({"device": self.device} | settings))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--augtrial", default=pathlib.Path(__file__).resolve().parents[1] / "target/debug/augtrial")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--editor", default=pathlib.Path(__file__).resolve().parents[1] / "models/editor-small")
    parser.add_argument("--only", action="append", choices=CHECKS, help="default: all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rehearse", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        context = Context(arguments, folder)
        doctor = json.loads(subprocess.run([context.program, "doctor", "--json"], cwd=folder, capture_output=True, text=True, check=True).stdout)
        if not arguments.rehearse and not doctor.get("GPU", "").startswith("used"):
            print(f"gpu_check: nothing was measured; GPU: {doctor.get('GPU', doctor['LibTorch'])}", file=sys.stderr)
            sys.exit(2)
        print(f"augtrial {doctor['augtrial']}, LibTorch {doctor['LibTorch'].split()[0]}, device {context.device}, {doctor['cores']} cores")
        print("REHEARSAL on the CPU: no number below is a measurement" if arguments.rehearse else "")
        print("\n| check | found | |\n|---|---|---|")
        failed = False
        for name in arguments.only or CHECKS:
            begun = time.monotonic()
            told, passed = CHECKS[name](context)
            failed |= not passed
            print(f"| {name} | {told} | {'ok' if passed else 'FAILED'} |", flush=True)
            print(f"{name}: {time.monotonic() - begun:.0f} s", file=sys.stderr)
        sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
