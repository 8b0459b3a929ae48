"""A small classifier that names the kind of edit between two pictures. It is never trained on the editor's own pictures."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from data import Samples
from edits import KINDS

NAMES = list(KINDS)


class Classifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        widths = (6, 32, 64, 96)
        layers = [
            layer
            for width_in, width in zip(widths, widths[1:])
            for layer in (nn.Conv2d(width_in, width, 3, 2, 1), nn.GroupNorm(8, width), nn.SiLU())
        ]
        self.features = nn.Sequential(*layers, nn.Conv2d(widths[-1], 96, 3, padding=1), nn.SiLU())
        self.head = nn.Linear(2 * 96, len(NAMES))

    def forward(self, source: Tensor, edited: Tensor) -> Tensor:
        """Pictures `[B, 3, H, W]` in [0, 1] to logits `[B, kinds]`."""
        found = self.features(torch.cat([2 * source - 1, edited - source], 1))
        return self.head(torch.cat([found.mean((2, 3)), found.amax((2, 3))], 1))

    @torch.no_grad()
    def recognise(self, source: Tensor, edited: Tensor) -> Tensor:
        return self(source, edited).argmax(1)


def train(sets: list[Samples], steps: int = 1500, seed: int = 11) -> Classifier:
    """Learns from exact pairs of the training set."""
    torch.manual_seed(seed)
    classifier = Classifier()
    optimizer = torch.optim.AdamW(classifier.parameters(), 2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    rng = np.random.default_rng(seed)
    for step in range(steps):
        samples = sets[step % len(sets)]
        sources, targets, kinds = zip(*(samples.labelled(rng) for _ in range(32)))
        logits = classifier(torch.stack(sources), torch.stack(targets))
        loss = F.cross_entropy(logits, torch.tensor([NAMES.index(kind) for kind in kinds]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return classifier.eval()


def trained(sets: list[Samples], path: Path | None) -> Classifier:
    """Reads the classifier from the file `path`, or trains it and saves it there."""
    if path is not None and path.exists():
        classifier = Classifier()
        classifier.load_state_dict(torch.load(path))
        return classifier.eval()
    classifier = train(sets)
    if path is not None:
        torch.save(classifier.state_dict(), path)
    return classifier
