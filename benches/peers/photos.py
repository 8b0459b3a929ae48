"""What the training scripts share: the layout of the data set, their arguments, and what they print.

A data set is a folder with TrashNet's layout: `dataset-resized/<class>/<file>` and the index files below, whose lines are
`<file> <label>`, labels counted from 1 in the order of CLASSES. To measure without TrashNet, make such a folder of
synthetic JPEGs, about as large and as costly to decode:

    python photos.py OUT [--images 2527]
"""

import argparse
import json
from pathlib import Path

CLASSES = ["glass", "paper", "cardboard", "plastic", "metal", "trash"]
IMAGES = "dataset-resized"
INDICES = {part: f"one-indexed-files-notrash_{part}.txt" for part in ("train", "val", "test")}
# TrashNet's own sizes: pixels of a photo, and images of each part.
PHOTO_PX = (512, 384)
SHARES = {"train": 1768, "val": 328, "test": 431}

# ImageNet's, as torchvision's models expect them.
MEAN, DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
SGD = {"lr": 0.01, "momentum": 0.9, "weight_decay": 1e-4}


def read_index(file):
    """(path below the folder of images, label from 0) of every line."""
    lines = [line.split() for line in Path(file).read_text().splitlines() if line.strip()]
    return [(f"{CLASSES[int(label) - 1]}/{name}", int(label) - 1) for name, label in lines]


def peer_arguments(description):
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", help="the folder of class folders")
    parser.add_argument("--train", required=True, help="index file")
    parser.add_argument("--validation", required=True, help="index file")
    parser.add_argument("--size", type=size, default=(224, 224), help="of the network's input, WIDTHxHEIGHT")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    return parser


def size(text):
    width, height = map(int, text.split("x"))
    return width, height


def print_epoch(epoch, train, validation):
    """`train` and `validation` are (seconds, images, mean loss, share correct)."""
    keys = ("secs", "images", "loss", "top1")
    line = {"epoch": epoch, "train": dict(zip(keys, train)), "validation": dict(zip(keys, validation))}
    print(json.dumps(line), flush=True)


def make_synthetic(out, images):
    """Smooth colors under shapes and grain. At JPEG quality 75 the files are about as large as TrashNet's."""
    import numpy
    from PIL import Image, ImageDraw

    rng = numpy.random.default_rng(1)
    total, made = sum(SHARES.values()), 0
    for part, file in INDICES.items():
        lines = []
        for _ in range(max(len(CLASSES), round(images * SHARES[part] / total))):
            label = made % len(CLASSES)
            picture = Image.fromarray(rng.integers(60, 220, (6, 8, 3), dtype=numpy.uint8)).resize(PHOTO_PX, Image.BICUBIC)
            draw = ImageDraw.Draw(picture)
            for _ in range(4 + 3 * label):
                corner = rng.integers(0, PHOTO_PX)
                extent = rng.integers(20, 160, 2)
                draw.ellipse([*corner, *(corner + extent)], fill=tuple(rng.integers(0, 256, 3).tolist()))
            grain = rng.normal(0, 4, (PHOTO_PX[1], PHOTO_PX[0], 3))
            picture = Image.fromarray(numpy.clip(numpy.asarray(picture) + grain, 0, 255).astype(numpy.uint8))
            name = f"{CLASSES[label]}{made + 1}.jpg"
            folder = Path(out) / IMAGES / CLASSES[label]
            folder.mkdir(parents=True, exist_ok=True)
            picture.save(folder / name, quality=75)
            lines.append(f"{name} {label + 1}\n")
            made += 1
        (Path(out) / file).write_text("".join(lines))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--images", type=int, default=sum(SHARES.values()))
    arguments = parser.parse_args()
    make_synthetic(arguments.out, arguments.images)
