"""Times training steps of a network from a file by augtrial's trainer, and of the same network by PyTorch's eager mode, in turn.

    python networks.py timm/convnext_atto FOLDER --test TEST_BINARY [--rounds 3] [--steps 8] [--batch 16] [--threads 1]

FOLDER is what tools/export_classifier.py made of the network; TEST_BINARY is the unit test binary of augtrial-torch
(`cargo test -p augtrial-torch --lib --no-run` prints its path). A step is a forward pass, a backward pass and an update of SGD with momentum, on
random images in fp32. Eager mode runs with PyTorch's default layout and with channels last; the faster of the two counts.
Prints, for each round, milliseconds a step (the median) and their ratio.
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

TEST = "train::tests::speed::a_step_of_a_network_from_a_file_takes_this_long"


def eager(name, size, arguments, layout):
    network = export_classifier.Source(name, False).build().to(memory_format=layout).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9, fused=True)
    images = torch.randn(arguments.batch, 3, *size).to(memory_format=layout)
    labels = torch.arange(arguments.batch) % 6
    times = []
    for _ in range(arguments.steps + 2):
        start = time.perf_counter()
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(images), labels).backward()
        optimizer.step()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times[2:])


def ours(arguments):
    environment = {
        **os.environ,
        "AUGTRIAL_SPEED": f"{arguments.folder.resolve()} {arguments.batch} {arguments.steps} {arguments.threads}",
    }
    command = [arguments.test, "--ignored", "--exact", "--nocapture", TEST]
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    line = next(line for line in output.stderr.splitlines() if line.startswith("ms a step: "))
    return float(line.removeprefix("ms a step: "))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--test", required=True)
    for option, default in (("rounds", 3), ("steps", 8), ("batch", 16), ("threads", 1)):
        parser.add_argument(f"--{option}", type=int, default=default)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    size = export_classifier.Source(arguments.network, False)
    size.build()
    for _ in range(arguments.rounds):
        theirs = [eager(arguments.network, size.size, arguments, layout) for layout in (torch.contiguous_format, torch.channels_last)]
        own = ours(arguments)
        print(f"augtrial {own:.0f} ms, eager {theirs[0]:.0f} ms, channels last {theirs[1]:.0f} ms: ratio {min(theirs) / own:.2f}", flush=True)


if __name__ == "__main__":
    main()
