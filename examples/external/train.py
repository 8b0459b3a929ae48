"""A plain PyTorch trainer for augtrial: a torchvision network, SGD, a cosine. Copy it and change what you like (docs/external.md)."""

import copy
import itertools
import json
import sys

import numpy as np
import torch
import torchvision
from torch.nn import functional


def say(**event):
    print(json.dumps(event), flush=True)


def ask(**event):
    say(**event)
    return json.loads(sys.stdin.readline())


def images(**wanted):
    """The images of a part, [N, 3, H, W], from 0 to 1; those of a training pass with augtrial's online transforms."""
    given = ask(event="pixels", **wanted)
    shape = (given["images"], given["height_px"], given["width_px"], 3)
    pixels = torch.from_numpy(np.fromfile(given["file"], np.uint8).reshape(shape)).permute(0, 3, 1, 2) / 255
    return functional.interpolate(pixels, (INPUT["height_px"], INPUT["width_px"]), mode="bilinear", antialias=True)


def batches(labels):
    """Batches, pass after pass, without end."""
    order = torch.Generator().manual_seed(MANIFEST["seeds"]["order"])
    for number in itertools.count():
        pixels = images(part="train", pass_number=number)
        for chosen in torch.randperm(len(pixels), generator=order).split(MANIFEST["batch_size"]):
            yield pixels[chosen].to(DEVICE), labels[chosen].to(DEVICE)


@torch.no_grad()
def scores(network, pixels):
    network.eval()
    return torch.cat([network(batch.to(DEVICE)).cpu() for batch in pixels.split(256)])


def measured(loss, right, count):
    return {"loss_nats": loss / count, "top1": right / count}


with open(sys.argv[-1]) as file:
    MANIFEST = json.load(file)
INPUT, SETTINGS = MANIFEST["input"], MANIFEST["settings"]
DEVICE = "cuda" if MANIFEST["device"] == "auto" and torch.cuda.is_available() else MANIFEST["device"].replace("auto", "cpu")
torch.set_num_threads(MANIFEST["threads"])
torch.manual_seed(MANIFEST["seeds"]["init"])
say(event="hello", software={"torch": torch.__version__, "torchvision": torchvision.__version__})

train_labels, validation_labels = (
    torch.tensor([image["label"] for image in MANIFEST[part]]) for part in ("train", "validation")
)
validation = images(part="validation")
network = torchvision.models.get_model(SETTINGS["network"], num_classes=MANIFEST["classes"]).to(DEVICE)
optimizer = torch.optim.SGD(network.parameters(), SETTINGS["learning_rate"], momentum=0.9, weight_decay=5e-4)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, MANIFEST["total_updates"])

stream, updates, best = batches(train_labels), 0, None
for epoch in range(1, MANIFEST["total_epochs"] + 1):
    network.train()
    loss_sum, right, count = 0.0, 0, 0
    while updates < min(epoch * MANIFEST["updates_per_epoch"], MANIFEST["total_updates"]):
        pixels, labels = next(stream)
        output = network(pixels)
        loss = functional.cross_entropy(output, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rate = schedule.get_last_lr()[0]
        schedule.step()
        updates += 1
        loss_sum, count = loss_sum + loss.item() * len(labels), count + len(labels)
        right += (output.argmax(1) == labels).sum().item()
        say(event="progress", epoch=epoch, updates=updates)
    given = scores(network, validation)
    result = measured(
        functional.cross_entropy(given, validation_labels, reduction="sum").item(),
        (given.argmax(1) == validation_labels).sum().item(),
        len(given),
    )
    say(event="epoch", epoch=epoch, updates=updates, learning_rate=rate, train=measured(loss_sum, right, count), validation=result)
    rank = (result["top1"], -result["loss_nats"])
    if best is None or MANIFEST["epoch_rule"] == "last" or rank > best[0]:
        best = (rank, epoch, copy.deepcopy(network.state_dict()))

ask(event="selected", epoch=best[1])
network.load_state_dict(best[2])
torch.save(best[2], MANIFEST["weights"])
for image, probabilities in enumerate(scores(network, images(part="test")).softmax(1).tolist()):
    say(event="prediction", image=image, probabilities=probabilities)
