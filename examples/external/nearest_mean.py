"""Nearest mean color: a trainer without any library. It says everything that a trainer can say to augtrial (docs/external.md).

Each class is the mean color of its training images; the nearer an image's color is to it, the more probable the class.
"""

import json
import math
import os
import sys


def say(**event):
    print(json.dumps(event), flush=True)


def ask(**event):
    say(**event)
    return json.loads(sys.stdin.readline())


def colors(**wanted):
    """The mean color of every image of a part, each channel from 0 to 1."""
    given = ask(event="pixels", **wanted)
    size = given["height_px"] * given["width_px"] * 3
    with open(given["file"], "rb") as file:
        images = [file.read(size) for _ in range(given["images"])]
    return [[sum(image[channel::3]) / (size / 3 * 255) for channel in range(3)] for image in images]


def learned(means, examples, labels):
    """The sums of colors and numbers of images of each class, with more examples."""
    means = [list(mean) for mean in means]
    for color, label in zip(examples, labels):
        means[label] = [a + b for a, b in zip(means[label], color + [1])]
    return means


def probabilities(means, color, sharpness):
    distances = [
        sum((total / max(count, 1) - value) ** 2 for total, value in zip(totals, color)) for *totals, count in means
    ]
    weights = [math.exp(-sharpness * (distance - min(distances))) for distance in distances]
    return [weight / sum(weights) for weight in weights]


def measured(means, examples, labels, sharpness):
    given = [probabilities(means, color, sharpness) for color in examples]
    right = sum(max(range(len(p)), key=p.__getitem__) == label for p, label in zip(given, labels))
    loss = -sum(math.log(max(p[label], 1e-12)) for p, label in zip(given, labels))
    return {"loss_nats": loss / len(labels), "top1": right / len(labels)}


def main():
    with open(sys.argv[-1]) as file:
        manifest = json.load(file)
    sharpness = manifest["settings"].get("sharpness", 100)
    labels = {part: [image["label"] for image in manifest[part]] for part in ("train", "validation")}
    say(event="hello", software={"python": sys.version.split()[0]})
    validation = colors(part="validation")

    saved = os.path.join(manifest["state"], "means.json") if manifest["state"] else None
    states, scores, first = [[[0, 0, 0, 0]] * manifest["classes"]], [], manifest["resume_after"] or 0
    if first:
        with open(saved) as file:
            states, scores = json.load(file)
        # It was perhaps stopped after saving an epoch and before saying so.
        states, scores = states[: first + 1], scores[:first]
    for epoch in range(first + 1, manifest["total_epochs"] + 1):
        training = colors(part="train", pass_number=epoch - 1)
        states.append(learned(states[-1], training, labels["train"]))
        scores.append(measured(states[-1], validation, labels["validation"], sharpness))
        say(
            event="epoch",
            epoch=epoch,
            updates=min(epoch * manifest["updates_per_epoch"], manifest["total_updates"]),
            learning_rate=0.0,
            train=measured(states[-1], training, labels["train"], sharpness),
            validation=scores[-1],
        )
        if saved:
            with open(saved + ".new", "w") as file:
                json.dump([states, scores], file)
            os.replace(saved + ".new", saved)
            say(event="checkpoint", epoch=epoch)

    selected = manifest["total_epochs"]
    if manifest["epoch_rule"] == "best-validation":
        best = max(scores, key=lambda score: (score["top1"], -score["loss_nats"]))
        selected = scores.index(best) + 1
    ask(event="selected", epoch=selected)
    for image, color in enumerate(colors(part="test")):
        say(event="prediction", image=image, probabilities=probabilities(states[selected], color, sharpness))


main()
