"""Grids of pictures that a person can judge."""

from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor


def to_bytes(picture: Tensor) -> np.ndarray:
    """`[3, H, W]` in [0, 1] to `[H, W, 3]`, rounded half to even, as the editor rounds."""
    return (picture.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()


def save_grid(rows: list[list[Tensor]], path: Path, gap_px: int = 1) -> None:
    """Pictures `[3, H, W]` in [0, 1], all of one size, side by side on white."""
    _, height, width = rows[0][0].shape
    shape = (len(rows) * (height + gap_px) - gap_px, len(rows[0]) * (width + gap_px) - gap_px, 3)
    grid = np.full(shape, 255, np.uint8)
    for row, pictures in enumerate(rows):
        for column, picture in enumerate(pictures):
            top, left = row * (height + gap_px), column * (width + gap_px)
            grid[top : top + height, left : left + width] = to_bytes(picture)
    Image.fromarray(grid).save(path, optimize=True)
