"""Pairs of pictures before and after an edit: renders made by `crates/synth/examples/render_pairs.rs`, and photographs with
computed edits."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import Tensor

from edits import KINDS, compute

PAD, START, END, UNKNOWN = "[pad]", "[start]", "[end]", "[unknown]"
Size = tuple[int, int]
"""Width and height, pixels."""

IDENTITY_SHARE = 0.08
"""Samples without an instruction whose target is the source."""
COMPUTED_SHARE = 0.36
PHOTO_SHARE = 0.6
"""Share of photographs among computed edits and identities; the others are made on renders."""
UNKNOWN_WORD = 0.03
"""Share of words that are hidden in training, so that an unknown word has little effect."""


def build_tokenizer() -> Tokenizer:
    """One token a word, in lower case and without punctuation; the words are those of the training wordings."""
    words = sorted({word for kind in KINDS.values() for wording in kind.wordings for word in wording.split()})
    vocabulary = {word: index for index, word in enumerate([PAD, START, END, UNKNOWN, *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("removed")]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}", special_tokens=[(START, vocabulary[START]), (END, vocabulary[END])]
    )
    return tokenizer


def encode(tokenizer: Tokenizer, texts: Iterable[str], length: int) -> Tensor:
    """Ids `[B, length]`, cut and padded as `augtrial` does it."""
    rows = []
    for text in texts:
        ids = tokenizer.encode(text).ids
        if len(ids) > length:
            ids = ids[: length - 1] + [tokenizer.token_to_id(END)]
        rows.append(ids + [tokenizer.token_to_id(PAD)] * (length - len(ids)))
    return torch.tensor(rows)


class Renders:
    """A folder of pairs."""

    def __init__(self, folder: Path):
        facts = json.loads((folder / "pairs.json").read_text())
        self.size: Size = (facts["width_px"], facts["height_px"])
        self.edits: list[list[str]] = [scene["edits"] for scene in facts["scenes"]]
        shape = (len(self.edits), facts["height_px"], facts["width_px"])
        pictures = 1 + len(self.edits[0])
        self.images = np.memmap(folder / "images.u8", np.uint8, "r", shape=(shape[0], pictures, *shape[1:], 3))
        self.masks = np.memmap(folder / "masks.u8", np.uint8, "r", shape=shape)

    def __len__(self) -> int:
        return len(self.edits)


def load_photos(trashnet: Path, split: str, size: Size, cache: Path) -> np.ndarray:
    """TrashNet's photographs of its own index file for `split`, resized; `[N, H, W, 3]` bytes, kept in the folder `cache`."""
    path = cache / f"photos-{split}-{size[0]}x{size[1]}.npy"
    if not path.exists():
        names = [line.split()[0] for line in (trashnet / f"one-indexed-files-notrash_{split}.txt").read_text().splitlines()]
        folder = trashnet / "dataset-resized"
        files = [folder / name.rstrip("0123456789.jpg") / name for name in names]
        pictures = [Image.open(file).convert("RGB").resize(size, Image.Resampling.LANCZOS) for file in files]
        cache.mkdir(parents=True, exist_ok=True)
        np.save(path, np.stack([np.asarray(picture) for picture in pictures]))
    return np.load(path, mmap_mode="r")


@dataclass
class Batch:
    source: Tensor
    """`[B, 3, H, W]` in [-1, 1]."""
    target: Tensor
    mask: Tensor
    """`[B, 1, H, W]`, 1 on the object; meaningless where not `has_mask`."""
    has_mask: Tensor
    ids: Tensor
    is_identity: Tensor


def to_tensor(pictures: np.ndarray) -> Tensor:
    """Bytes `[..., H, W, 3]` to `[..., 3, H, W]` in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(pictures, -1, -3))).float() / 255


class Samples:
    """Training samples of one size. A batch depends only on the seed and its number, so that training can resume."""

    def __init__(self, renders: list[Renders], photos: np.ndarray | None, tokenizer: Tokenizer, length: int):
        self.renders, self.photos, self.tokenizer, self.length = renders, photos, tokenizer, length
        self.scenes = [(render, scene) for render in renders for scene in range(len(render))]
        self.computed = [name for name, kind in KINDS.items() if kind.computed]
        self.only_computed = [name for name in self.computed if not KINDS[name].rendered]

    def batch(self, rng: np.random.Generator, count: int) -> Batch:
        samples = [self.sample(rng) for _ in range(count)]
        sources, targets, masks, wordings = zip(*samples)
        return Batch(
            source=torch.stack(sources) * 2 - 1,
            target=torch.stack(targets) * 2 - 1,
            mask=torch.stack([torch.zeros_like(sources[0][:1]) if mask is None else mask for mask in masks]),
            has_mask=torch.tensor([mask is not None for mask in masks]),
            ids=self.hide_words(rng, encode(self.tokenizer, wordings, self.length)),
            is_identity=torch.tensor([wording == "" for wording in wordings]),
        )

    def sample(self, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor | None, str]:
        """Source and target `[3, H, W]` in [0, 1], the object's mask if it is known, and the instruction."""
        draw = rng.random()
        if draw < IDENTITY_SHARE:
            source, mask = self.any_picture(rng)
            return source, source, mask, ""
        source, target, mask, kind = self.computed_pair(rng) if draw <= IDENTITY_SHARE + COMPUTED_SHARE else self.pair(rng)
        wordings = KINDS[kind].wordings
        return source, target, mask, wordings[rng.integers(len(wordings))]

    def labelled(self, rng: np.random.Generator) -> tuple[Tensor, Tensor, str]:
        """Source, target and the name of the edit."""
        source, target, _, kind = self.computed_pair(rng) if rng.random() < COMPUTED_SHARE else self.pair(rng)
        return source, target, kind

    def computed_pair(self, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor | None, str]:
        source, mask = self.any_picture(rng)
        kinds = self.computed if mask is None else self.only_computed
        kind = kinds[rng.integers(len(kinds))]
        return source, compute(kind, source[None])[0], mask, kind

    def pair(self, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, str]:
        """A rendered pair."""
        render, scene = self.scenes[rng.integers(len(self.scenes))]
        place = rng.integers(len(render.edits[scene]))
        pair = to_tensor(render.images[scene, [0, place + 1]])
        mask = torch.from_numpy(render.masks[scene] > 0).float()[None]
        if rng.random() < 0.5:
            pair, mask = pair.flip(3), mask.flip(2)
        return pair[0], pair[1], mask, render.edits[scene][place]

    def any_picture(self, rng: np.random.Generator) -> tuple[Tensor, Tensor | None]:
        """A photograph or a render, unchanged or edited."""
        if self.photos is not None and rng.random() < PHOTO_SHARE:
            picture = to_tensor(self.photos[rng.integers(len(self.photos))])
            for axis in (1, 2):
                if rng.random() < 0.5:
                    picture = picture.flip(axis)
            return picture, None
        render, scene = self.scenes[rng.integers(len(self.scenes))]
        place = rng.integers(len(render.edits[scene]) + 1) if rng.random() < 0.5 else 0
        return to_tensor(render.images[scene, place]), torch.from_numpy(render.masks[scene] > 0).float()[None]

    def hide_words(self, rng: np.random.Generator, ids: Tensor) -> Tensor:
        hidden = torch.from_numpy(rng.random(ids.shape) < UNKNOWN_WORD)
        unknown = self.tokenizer.token_to_id(UNKNOWN)
        return torch.where(hidden & (ids > unknown), unknown, ids)
