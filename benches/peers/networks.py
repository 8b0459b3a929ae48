"""Times a network by augtrial's trainer, and the same network by PyTorch's eager mode, in turn: training steps, or features of images.

    python networks.py timm/convnext_atto OURS --test TEST_BINARY [--features] [--rounds 3] [--steps 8] [--batch 16] [--threads 1]

OURS is the folder that tools/export_classifier.py made of the network, or the name of one that augtrial brings along (`resnet18`); TEST_BINARY is
the unit test binary of augtrial-torch (`cargo test -p augtrial-torch --lib --no-run` prints its path). A step is a forward pass, a backward
pass and an update of SGD with momentum; with `--features` it is a forward pass for evaluation. Images are random, numbers fp32. Eager mode
runs with PyTorch's default layout and with channels last; the faster of the two counts. Ours runs with the settings that `augtrial` gives its
worker (src/cli/torch.rs). Times are those on a processor, so that other processes count less. Prints, for each round, milliseconds a step and
their ratio, and in the end the ratio of medians and images a second.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

import export_classifier  # noqa: E402
import torch  # noqa: E402
from diffusers_ip2p import OUR_ENVIRONMENT  # noqa: E402

TESTS = {False: "train::tests::speed::steps_of_training", True: "train::tests::speed::features_for_a_head"}
WARM = 2


def eager(name, size, arguments, layout):
    network = export_classifier.Source(name, False).build().to(memory_format=layout).train(not arguments.features)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9, fused=True)
    images = torch.randn(arguments.batch, 3, *size).to(memory_format=layout)
    labels = torch.arange(arguments.batch) % 6

    def train():
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(images), labels).backward()
        optimizer.step()

    def evaluate():
        with torch.inference_mode():
            network(images)

    step = evaluate if arguments.features else train
    for _ in range(WARM):
        step()
    start = time.process_time()
    for _ in range(arguments.steps):
        step()
    return 1e3 * (time.process_time() - start) / arguments.steps


def ours(arguments):
    name = arguments.ours.resolve() if arguments.ours.is_dir() else arguments.ours
    asked = f"{name} {arguments.batch} {arguments.steps} {arguments.threads}"
    command = [arguments.test, "--ignored", "--exact", "--nocapture", "--test-threads=1", TESTS[arguments.features]]
    output = subprocess.run(command, env={**os.environ, **OUR_ENVIRONMENT, "AUGTRIAL_SPEED": asked}, capture_output=True, text=True, check=True)
    line = next(line for line in output.stderr.splitlines() if line.startswith("ms a step: "))
    return float(line.removeprefix("ms a step: "))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network")
    parser.add_argument("ours", type=Path)
    parser.add_argument("--test", required=True)
    parser.add_argument("--features", action="store_true", help="time the features of images, not training")
    for option, default in (("rounds", 3), ("steps", 8), ("batch", 16), ("threads", 1)):
        parser.add_argument(f"--{option}", type=int, default=default)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    size = export_classifier.Source(arguments.network, False)
    size.build()
    rounds = []
    for _ in range(arguments.rounds):
        theirs = [eager(arguments.network, size.size, arguments, layout) for layout in (torch.contiguous_format, torch.channels_last)]
        own = ours(arguments)
        print(f"augtrial {own:.0f} ms, eager {theirs[0]:.0f} ms, channels last {theirs[1]:.0f} ms: ratio {min(theirs) / own:.2f}", flush=True)
        rounds.append((*theirs, own))
    *layouts, own = (statistics.median(times) for times in zip(*rounds))
    theirs = min(layouts)
    speeds = [1e3 * arguments.batch / median for median in (own, theirs)]
    print(f"medians: ratio {theirs / own:.2f}; augtrial {speeds[0]:.1f} images/s, eager {speeds[1]:.1f} images/s")


if __name__ == "__main__":
    main()
