"""Times single transforms and whole pipelines: torchvision v2 on tensors and on Pillow images, albumentations, and ours.

    OMP_NUM_THREADS=1 python benches/peers/transforms.py [--rounds 5] [--only rotation,equalize] [--json FILE]

Needs torch, torchvision, pillow and albumentations. One thread each. Every round runs all libraries in turn on the same
images, and the fastest round of each counts. Times are those that the process spent on a processor, so that other processes
count less. They include the draw of parameters, and the copy of an image where a library works in place. The last columns say how many times faster we are.
"""

import argparse
import json
import os
import pathlib
import subprocess
import tempfile
import time

os.environ.update(OMP_NUM_THREADS="1", NO_ALBUMENTATIONS_UPDATE="1")

import albumentations as A
import cv2
import numpy as np
import PIL.Image
import torch
import torchvision
from torchvision.transforms import v2

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SIZES = [(224, 224), (96, 72)]
IMAGES = 16
BILINEAR = v2.InterpolationMode.BILINEAR
LIBRARIES = ["torchvision tensor", "torchvision PIL", "albumentations", "augtrial"]


def picture(rng, width, height):
    """A smooth picture with some noise, as photos are."""
    small = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    smooth = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(smooth + rng.normal(0, 6, smooth.shape), 0, 255).astype(np.uint8)


def cases(width, height):
    """Name, torchvision's, albumentations' or none, ours."""
    size = (height, width)
    crop = {"scale": (0.3, 1.0), "ratio": (0.75, 4 / 3)}
    ours_crop = {"random_resized_crop": {"scale": [0.3, 1.0], "ratio": [0.75, 4 / 3]}}
    flip = {"horizontal_flip": {"p": 0.5}}
    jitter = v2.ColorJitter(0.4, 0.4, 0.4, 0.1)
    a_jitter = A.ColorJitter((0.6, 1.4), (0.6, 1.4), (0.6, 1.4), (-0.1, 0.1), p=1)
    ours_jitter = {"color_jitter": {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1}}
    one = lambda name, **parameters: [{name: parameters}]
    bright = lambda *factors: dict(zip(("brightness", "contrast", "saturation", "hue"), factors))
    yield "horizontal_flip", v2.RandomHorizontalFlip(1), A.HorizontalFlip(p=1), one("horizontal_flip", p=1.0)
    yield "vertical_flip", v2.RandomVerticalFlip(1), A.VerticalFlip(p=1), one("vertical_flip", p=1.0)
    yield "brightness", v2.ColorJitter(brightness=0.4), A.RandomBrightnessContrast(0.4, 0, p=1), one("color_jitter", brightness=0.4)
    yield "contrast", v2.ColorJitter(contrast=0.4), A.ColorJitter((1, 1), (0.6, 1.4), (1, 1), (0, 0), p=1), one("color_jitter", contrast=0.4)
    yield "saturation", v2.ColorJitter(saturation=0.4), A.ColorJitter((1, 1), (1, 1), (0.6, 1.4), (0, 0), p=1), one("color_jitter", saturation=0.4)
    yield "hue", v2.ColorJitter(hue=0.1), A.ColorJitter((1, 1), (1, 1), (1, 1), (-0.1, 0.1), p=1), one("color_jitter", hue=0.1)
    yield "color_jitter", jitter, a_jitter, [ours_jitter]
    yield "grayscale", v2.RandomGrayscale(1), A.ToGray(p=1), one("grayscale", p=1.0)
    yield "invert", v2.RandomInvert(1), A.InvertImg(p=1), one("invert", p=1.0)
    yield "posterize", v2.RandomPosterize(4, 1), A.Posterize(4, p=1), one("posterize", bits=4, p=1.0)
    yield "solarize", v2.RandomSolarize(128, 1), A.Solarize((0.5, 0.5), p=1), one("solarize", threshold=128.0, p=1.0)
    yield "autocontrast", v2.RandomAutocontrast(1), A.AutoContrast(p=1), one("autocontrast", p=1.0)
    yield "equalize", v2.RandomEqualize(1), A.Equalize(p=1), one("equalize", p=1.0)
    yield "sharpness", v2.RandomAdjustSharpness(2, 1), A.Sharpen(p=1), one("sharpness", factor=2.0, p=1.0)
    yield "gaussian_blur", v2.GaussianBlur(5, (0.1, 2.0)), A.GaussianBlur((5, 5), (0.1, 2.0), p=1), one("gaussian_blur")
    yield "rotation", v2.RandomRotation(30, BILINEAR), A.Rotate(30, p=1), one("rotation", degrees=30.0)
    moved = {"degrees": 15, "translate": (0.1, 0.1), "scale": (0.9, 1.1), "shear": (-5, 5)}
    a_moved = {"rotate": (-15, 15), "translate_percent": (-0.1, 0.1), "scale": (0.9, 1.1), "shear": (-5, 5)}
    ours_moved = {"degrees": 15.0, "translate": [0.1, 0.1], "scale": [0.9, 1.1], "shear": [5.0, 0.0]}
    yield "affine bilinear", v2.RandomAffine(**moved, interpolation=BILINEAR), A.Affine(**a_moved, p=1), one("affine", **ours_moved)
    nearest = A.Affine(**a_moved, interpolation=cv2.INTER_NEAREST, p=1)
    yield "affine nearest", v2.RandomAffine(**moved), nearest, one("affine", **ours_moved, interpolation="nearest")
    yield "perspective", v2.RandomPerspective(0.3, 1), A.Perspective(p=1), one("perspective", distortion=0.3, p=1.0)
    yield "elastic", v2.ElasticTransform(), A.ElasticTransform(50, 5, p=1), one("elastic")
    yield "random_crop", v2.RandomCrop(size, padding=4), A.RandomCrop(height, width, pad_if_needed=True, p=1), one("random_crop", padding_px=4)
    yield "random_resized_crop", v2.RandomResizedCrop(size, **crop), A.RandomResizedCrop(size, **crop, p=1), [ours_crop]
    yield "random_erasing", v2.RandomErasing(1), A.Erasing(p=1), one("random_erasing", p=1.0, value={"constant": [0, 0, 0]})
    yield "gaussian_noise", None, A.GaussNoise((0.1, 0.1), p=1), one("gaussian_noise", sigma=[0.1, 0.1])
    yield "jpeg", v2.JPEG((50, 100)), A.ImageCompression(quality_range=(50, 100), p=1), one("jpeg")
    yield "rgb_shift", None, A.RGBShift(p=1), one("rgb_shift", p=1.0)
    yield "downscale", None, A.Downscale(p=1), one("downscale", scale=[0.25, 0.25], p=1.0)
    yield "clahe", None, A.CLAHE((1, 4), p=1), one("clahe", p=1.0)
    yield "d4", None, A.D4(p=1), one("d4")
    a_flip = A.HorizontalFlip(p=0.5)
    yield "crop, flip", v2.Compose([v2.RandomCrop(size, padding=4), v2.RandomHorizontalFlip()]), None, [{"random_crop": {}}, flip]
    common = [v2.RandomResizedCrop(size, **crop), v2.RandomHorizontalFlip()]
    a_common = A.Compose([A.RandomResizedCrop(size, **crop, p=1), a_flip, a_jitter])
    yield "resized crop, flip, jitter", v2.Compose([*common, jitter]), a_common, [ours_crop, flip, ours_jitter]
    trivial = v2.Compose([*common, v2.TrivialAugmentWide()])
    yield "resized crop, flip, trivial_augment_wide", trivial, None, [ours_crop, flip, {"trivial_augment_wide": {}}]
    yield "trivial_augment_wide", v2.TrivialAugmentWide(), None, one("trivial_augment_wide")
    yield "rand_augment", v2.RandAugment(), None, one("rand_augment")
    yield "auto_augment", v2.AutoAugment(), None, one("auto_augment")
    yield "aug_mix", v2.AugMix(), None, one("aug_mix")


def per_image(apply, images, round_secs):
    """Seconds an image; none if the library cannot do it."""
    try:
        apply(images[0])
    except (TypeError, ValueError, AttributeError):
        return None
    start, done = time.process_time(), 0
    while time.process_time() - start < round_secs:
        for image in images:
            apply(image)
        done += len(images)
    return (time.process_time() - start) / done


def ours(program, request):
    text = subprocess.run([program], input=json.dumps(request), capture_output=True, text=True, check=True).stdout
    return {line["name"]: line["secs"] for line in map(json.loads, text.splitlines())}


def measure(size, options, program, folder):
    width, height = size
    rng = np.random.default_rng(1)
    arrays = [picture(rng, width, height) for _ in range(IMAGES)]
    file = folder / f"{width}x{height}.rgb"
    file.write_bytes(np.stack(arrays).tobytes())
    tensors = [torch.from_numpy(array).permute(2, 0, 1).contiguous() for array in arrays]
    pictures = [PIL.Image.fromarray(array) for array in arrays]
    chosen = [case for case in cases(width, height) if not options.only or case[0] in options.only.split(",")]
    request = {"images": str(file), "width_px": width, "height_px": height, "round_secs": options.round_secs, "rounds": 1}
    best = {name: dict.fromkeys(LIBRARIES) for name, *_ in chosen}

    def note(name, library, secs):
        if secs is not None:
            best[name][library] = min(secs, best[name][library] or secs)

    for _ in range(options.rounds):
        for name, theirs, albumentations, transforms in chosen:
            if theirs is not None:
                note(name, LIBRARIES[0], per_image(theirs, tensors, options.round_secs))
                note(name, LIBRARIES[1], per_image(theirs, pictures, options.round_secs))
            if albumentations is not None:
                note(name, LIBRARIES[2], per_image(lambda image: albumentations(image=image), arrays, options.round_secs))
            note(name, LIBRARIES[3], ours(program, {**request, "cases": [{"name": name, "transforms": transforms}]})[name])
    return best


def show(size, best):
    print(f"\n{size[0]}x{size[1]}, microseconds an image, and how many times faster we are\n")
    print("| transform | " + " | ".join(LIBRARIES) + " | " + " | ".join(f"x {library}" for library in LIBRARIES[:3]) + " |")
    print("|---|" + "---:|" * 7)
    for name, secs in best.items():
        own = secs[LIBRARIES[3]]
        times = [f"{secs[library] * 1e6:.1f}" if secs[library] else "-" for library in LIBRARIES]
        ratios = [f"{secs[library] / own:.1f}" if secs[library] else "-" for library in LIBRARIES[:3]]
        print(f"| {name} | " + " | ".join(times + ratios) + " |")


def build():
    command = ["cargo", "build", "--release", "-p", "augtrial-transforms", "--example", "time_transforms", "--message-format=json"]
    lines = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    built = [message for message in map(json.loads, lines) if message.get("executable")]
    return built[-1]["executable"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--round-secs", type=float, default=0.1)
    parser.add_argument("--only", default="", help="names, joined by commas")
    parser.add_argument("--program", help="time_transforms, if it is built")
    parser.add_argument("--json", type=pathlib.Path, help="write the seconds there too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    program = options.program or build()
    print(f"torchvision {torchvision.__version__}, pillow {PIL.__version__}, albumentations {A.__version__}, opencv {cv2.__version__}")
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            found["x".join(map(str, size))] = best = measure(size, options, program, pathlib.Path(folder))
            show(size, best)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
