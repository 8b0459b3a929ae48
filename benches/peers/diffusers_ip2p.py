"""Times one edit by diffusers and by augtrial, in turn, on the same weights, picture and noise: seconds, processor time, peak memory.

    python diffusers_ip2p.py CHECKPOINT BUNDLE IMAGE --ours target/debug/examples/edit_speed [--cases FILE]
        [--case NAME]... [--rounds N] [--also DTYPE]... [--device cuda:0]

CHECKPOINT is a folder in diffusers format, BUNDLE its export. A case is a table of FILE (default: cases.toml). Each
measurement is a process of its own that first edits another picture, so that loading does not count. `diffusers` runs the
settings of the case `exact` in fp32, and with `--also bfloat16` also in bf16. augtrial takes a GPU where it can use one; give
`--device cuda:0` so that diffusers does, too. Environment: tools/requirements-export.txt.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import tomllib
from pathlib import Path

INSTRUCTION, SEED = "make it look metallic", 1234
HERE = Path(__file__).parent


def worker(checkpoint, picture, kind, device, case):
    """One edit by diffusers, in this process; prints what `edit_speed` prints."""
    import diffusers
    import torch
    from PIL import Image

    names = {
        "euler": diffusers.EulerDiscreteScheduler,
        "euler-ancestral": diffusers.EulerAncestralDiscreteScheduler,
        "ddim": diffusers.DDIMScheduler,
        "dpm-solver-pp2m": diffusers.DPMSolverMultistepScheduler,
        "unipc": diffusers.UniPCMultistepScheduler,
        "lcm": diffusers.LCMScheduler,
    }
    pipeline = diffusers.StableDiffusionInstructPix2PixPipeline.from_pretrained(
        checkpoint, safety_checker=None, requires_safety_checker=False, torch_dtype=getattr(torch, kind)
    )
    pipeline.scheduler = names[case["scheduler"]].from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.to(device)
    picture = Image.open(picture).convert("RGB")

    def edit(picture, text):
        generator = torch.Generator().manual_seed(SEED)
        pipeline(
            text,
            picture,
            num_inference_steps=case["steps"],
            guidance_scale=case.get("text_guidance", 7.5),
            image_guidance_scale=case.get("image_guidance", 1.5),
            generator=generator,
        )

    edit(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if device != "cpu" else picture.resize((64, 64)), "")
    start, cpu_start = time.perf_counter(), time.process_time()
    edit(picture, INSTRUCTION)
    secs, cpu_secs = time.perf_counter() - start, time.process_time() - cpu_start
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(json.dumps({"secs": secs, "cpu_secs": cpu_secs, "peak_bytes": int(peak.split()[1]) * 1024}))


# What `augtrial run` and `augtrial edit` set for themselves (src/cli/torch.rs); diffusers runs as its users run it.
OUR_ENVIRONMENT = {
    "OMP_WAIT_POLICY": "PASSIVE",
    "MALLOC_MMAP_THRESHOLD_": "33554432",
    "MALLOC_TRIM_THRESHOLD_": "1073741824",
}


def measure(command, environment):
    environment = os.environ | environment
    output = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ).stdout
    return json.loads(output.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("bundle")
    parser.add_argument("image")
    parser.add_argument("--ours", default="target/debug/examples/edit_speed")
    parser.add_argument("--cases", default=str(HERE / "cases.toml"))
    parser.add_argument("--case", action="append", help="default: all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--also", action="append", default=[], metavar="DTYPE", help="measure diffusers in this type of torch, too")
    parser.add_argument("--device", default="cpu", help="of diffusers")
    parser.add_argument("--worker", metavar="DTYPE", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    cases = tomllib.loads(Path(arguments.cases).read_text())
    if arguments.worker:
        return worker(arguments.checkpoint, arguments.image, arguments.worker, arguments.device, cases["exact"])
    theirs = ["float32", *arguments.also]
    this = [sys.executable, __file__, *sys.argv[1:], "--worker"]
    ours = [arguments.ours, arguments.bundle, arguments.image, arguments.cases]
    commands = {f"diffusers {kind}": [*this, kind] for kind in theirs}
    commands |= {f"augtrial {name}": [*ours, name] for name in arguments.case or cases}
    found = {name: [] for name in commands}
    for round in range(arguments.rounds):
        # In alternating order, so that a machine that gets slower favors neither.
        for name in list(commands)[:: 1 if round % 2 == 0 else -1]:
            found[name].append(measure(commands[name], OUR_ENVIRONMENT if name.startswith("augtrial") else {}))
            print(f"round {round + 1}: {name}: {found[name][-1]}", file=sys.stderr)
    median = lambda name, key: statistics.median(run[key] for run in found[name])
    base = "diffusers float32"
    print(f"{'':32} {'secs':>8} {'faster':>7} {'processor':>10} {'less':>7} {'peak memory':>12}")
    for name, runs in found.items():
        secs, cpu_secs = median(name, "secs"), median(name, "cpu_secs")
        peak = max(run["peak_bytes"] for run in runs)
        ratios = median(base, "secs") / secs, median(base, "cpu_secs") / cpu_secs
        print(f"{name:32} {secs:8.2f} {ratios[0]:6.2f}x {cpu_secs:10.2f} {ratios[1]:6.2f}x {peak / 1e9:9.2f} GB")


if __name__ == "__main__":
    main()
