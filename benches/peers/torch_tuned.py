"""ResNet18 on TrashNet, as fast as PyTorch gets without a compiler: photos decoded and resized once into a u8 tensor, channels-last,
bf16 by autocast, flips on tensors, a fused optimizer, evaluation in inference mode with large batches, one synchronization per
epoch.

    python torch_tuned.py IMAGES --train INDEX --validation INDEX [--precision bf16|fp32] [--size WIDTHxHEIGHT] [--batch N] [--epochs N]

Prints a line of JSON for each epoch. Environment: torch, torchvision, pillow.
"""

import time
from pathlib import Path

import torch
from photos import CLASSES, DEVIATION, MEAN, SGD, peer_arguments, print_epoch, read_index
from PIL import Image
from torch import nn
from torch.nn.functional import cross_entropy
from torchvision.models import resnet18
from torchvision.transforms.functional import pil_to_tensor

EVALUATION_BATCH = 256


class Photos:
    """Every photo of an index, u8 [N, H, W, 3], and their labels."""

    def __init__(self, images, index, size):
        entries = read_index(index)
        decode = lambda path: pil_to_tensor(Image.open(Path(images) / path).convert("RGB").resize(size, Image.BILINEAR))
        self.pixels = torch.stack([decode(path).permute(1, 2, 0) for path, _ in entries])
        self.labels = torch.tensor([label for _, label in entries])

    def __len__(self):
        return len(self.labels)


class Normalise:
    """u8 [N, H, W, 3] to f32 [N, 3, H, W], channels-last."""

    def __init__(self):
        self.scale = (1 / (255 * torch.tensor(DEVIATION))).view(1, 3, 1, 1)
        self.shift = (-torch.tensor(MEAN) / torch.tensor(DEVIATION)).view(1, 3, 1, 1)

    def __call__(self, pixels):
        return torch.addcmul(self.shift, pixels.permute(0, 3, 1, 2).float(), self.scale)


def autocast(precision):
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16")


def train(model, photos, normalise, optimizer, batch, precision):
    model.train()
    total_loss, correct = torch.zeros(()), torch.zeros((), dtype=torch.long)
    for chosen in torch.randperm(len(photos)).split(batch):
        images, labels = normalise(photos.pixels[chosen]), photos.labels[chosen]
        images = torch.where(torch.rand(len(chosen), 1, 1, 1) < 0.5, images.flip(3), images)
        optimizer.zero_grad(set_to_none=True)
        with autocast(precision):
            outputs = model(images)
        loss = cross_entropy(outputs.float(), labels)
        loss.backward()
        optimizer.step()
        total_loss += loss.detach() * len(labels)
        correct += (outputs.argmax(1) == labels).sum()
    return len(photos), total_loss.item() / len(photos), correct.item() / len(photos)


@torch.inference_mode()
def evaluate(model, photos, normalise, precision):
    model.eval()
    total_loss, correct = torch.zeros(()), torch.zeros((), dtype=torch.long)
    for pixels, labels in zip(photos.pixels.split(EVALUATION_BATCH), photos.labels.split(EVALUATION_BATCH)):
        with autocast(precision):
            outputs = model(normalise(pixels))
        total_loss += cross_entropy(outputs.float(), labels, reduction="sum")
        correct += (outputs.argmax(1) == labels).sum()
    return len(photos), total_loss.item() / len(photos), correct.item() / len(photos)


def main():
    parser = peer_arguments(__doc__)
    parser.add_argument("--precision", choices=["bf16", "fp32"], default="bf16")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    training = Photos(arguments.images, arguments.train, arguments.size)
    validation = Photos(arguments.images, arguments.validation, arguments.size)
    normalise = Normalise()

    model = resnet18()
    model.fc = nn.Linear(model.fc.in_features, len(CLASSES))
    model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), **SGD, fused=True)
    for epoch in range(1, arguments.epochs + 1):
        start = time.perf_counter()
        trained = train(model, training, normalise, optimizer, arguments.batch, arguments.precision)
        middle = time.perf_counter()
        evaluated = evaluate(model, validation, normalise, arguments.precision)
        end = time.perf_counter()
        print_epoch(epoch, (middle - start, *trained), (end - middle, *evaluated))


if __name__ == "__main__":
    main()
