"""Trains the small editor from scratch on a CPU.

    python train.py OUT --renders FOLDER... [--trashnet FOLDER] [--steps N] [--stop N] [--seed N] [--threads N]

OUT gets `checkpoint.pt` (replaced every few minutes; the same command resumes from it), `log.jsonl` and `grid-*.png`. The
same seed, threads and data give the same weights, however often training was interrupted.
"""

import argparse
import json
import math
import os
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from data import PAD, Batch, Renders, Samples, build_tokenizer, encode, load_photos, to_tensor
from edits import KINDS
from model import LATENT_SCALE, PATCH_PX, TRAIN_TIMESTEPS, Config, Encoder, TextEncoder, UNet, alphas_cumprod
from picture import save_grid
from sampler import Editor

BATCH = 24
LARGE_EVERY = 4
"""One in this many batches has the larger size, with `LARGE_BATCH` pictures."""
LARGE_BATCH = 12
LEARNING_RATE = 1.2e-3
WARM_UP = 200
COOL_DOWN = 800
"""Steps before the end over which the learning rate falls to zero; the average of weights starts again there."""
EMA_DECAY = 0.997
DROP_TEXT, DROP_IMAGE, DROP_BOTH = 0.05, 0.05, 0.05
REVEALED_BELOW = 500
"""Below this timestep the noise hides no edit. Only there does a sample with a dropped text keep its edited target (see `condition`)."""
FIRST_STEPS = 1923
"""Steps of the first stage, in which latents are not scaled down. The run that made the bundled weights began in this way, and was
changed when its samples followed the noise more than the words. The stage is kept so that those weights can be made again; it is
not known to be better than 0."""
MASK_WEIGHT_FIRST, MASK_WEIGHT = 0.05, 0.2
SAVE_EVERY_SECS = 240


def condition(batch: Batch, empty: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Drops conditions: returns ids, which images are kept, and timesteps.

    As in the paper, except for the times of a dropped text. A prediction without text has two uses. As the base of guidance, it
    should know the edit that is being made, which it can see in the noisy latents once the noise is low. As an edit without an
    instruction, it should leave the picture unchanged, which is decided while the noise is high. So a sample with a dropped text
    keeps its edited target only at low noise; samples whose target is the source train the empty text at all times.
    """
    count = len(batch.ids)
    draw = torch.from_numpy(rng.random(count))
    no_text = draw < DROP_TEXT
    no_image = (draw >= DROP_TEXT) & (draw < DROP_TEXT + DROP_IMAGE)
    neither = (draw >= DROP_TEXT + DROP_IMAGE) & (draw < DROP_TEXT + DROP_IMAGE + DROP_BOTH)
    times = torch.from_numpy(rng.integers(0, TRAIN_TIMESTEPS, count))
    times = torch.where(no_text & ~batch.is_identity, times * REVEALED_BELOW // TRAIN_TIMESTEPS, times)
    ids = torch.where((no_text | neither)[:, None], empty, batch.ids)
    return ids, ~(no_image | neither), times


class Trainer:
    def __init__(self, config: Config, seed: int, steps: int):
        torch.manual_seed(seed)
        self.config, self.seed, self.steps, self.step, self.secs = config, seed, steps, 0, 0.0
        self.text, self.unet, self.encode = TextEncoder(config), UNet(config), Encoder()
        self.unet.to(memory_format=torch.channels_last)
        self.parameters = [*self.text.parameters(), *self.unet.parameters()]
        self.ema = [parameter.detach().clone() for parameter in self.parameters]
        self.optimizer = torch.optim.AdamW(self.parameters, LEARNING_RATE, betas=(0.9, 0.99), weight_decay=1e-3)
        self.abar = alphas_cumprod().float()

    def loss(self, batch: Batch, empty: Tensor, rng: np.random.Generator) -> tuple[Tensor, float]:
        first = self.step < FIRST_STEPS
        scale, mask_weight = (1.0, MASK_WEIGHT_FIRST) if first else (LATENT_SCALE, MASK_WEIGHT)
        ids, keep, times = condition(batch, empty, rng)
        clean, image = self.encode(batch.target), self.encode(batch.source)
        noise = torch.from_numpy(rng.standard_normal(clean.shape, dtype=np.float32))
        abar = self.abar[times].view(-1, 1, 1, 1)
        noisy = abar.sqrt() * scale * clean + (1 - abar).sqrt() * noise
        given = torch.where(keep[:, None, None, None], image, 0.0)
        predicted, mask_logits = self.unet(noisy, given, times.float(), self.text(ids))
        # An edit of a small part has the same weight as an edit of the whole picture.
        change = (clean - image).abs().mean((1, 2, 3))
        weight = 0.3 / (change + 0.1)
        error = F.huber_loss(predicted, clean, reduction="none", delta=0.2).mean((1, 2, 3)) * 5
        seen = (batch.has_mask & keep).float()[:, None, None, None]
        masks = F.pixel_unshuffle(batch.mask, PATCH_PX)
        mask_error = (F.binary_cross_entropy_with_logits(mask_logits, masks, reduction="none") * seen).mean()
        return (weight * error).mean() + mask_weight * mask_error, error.mean().item()

    def rate(self, stop: int) -> float:
        """Linear warm-up, a cosine over `steps`, and a linear cool-down before `stop`."""
        warm = min(1.0, (self.step + 1) / WARM_UP)
        cool = min(1.0, (stop - self.step) / COOL_DOWN)
        return LEARNING_RATE * warm * cool * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * self.step / self.steps)))

    def train_step(self, batch: Batch, empty: Tensor, rng: np.random.Generator, stop: int) -> float:
        rate = self.rate(stop)
        if self.step == stop - COOL_DOWN:
            self.ema = [parameter.detach().clone() for parameter in self.parameters]
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss, error = self.loss(batch, empty, rng)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.step += 1
        decay = min(EMA_DECAY, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(self.ema, [parameter.detach() for parameter in self.parameters], 1 - decay)
        return error

    def averaged(self) -> tuple[TextEncoder, UNet]:
        """The networks with averaged weights."""
        text, unet = TextEncoder(self.config), UNet(self.config)
        with torch.no_grad():
            for parameter, mean in zip([*text.parameters(), *unet.parameters()], self.ema):
                parameter.copy_(mean)
        return text.eval(), unet.eval()

    def save(self, path: Path) -> None:
        text, unet = self.averaged()
        state = {
            "config": self.config.to_dict(),
            "seed": self.seed,
            "steps": self.steps,
            "step": self.step,
            "secs": self.secs,
            "averaged": {"text": text.state_dict(), "unet": unet.state_dict()},
            "text": self.text.state_dict(),
            "unet": self.unet.state_dict(),
            "ema": self.ema,
            "optimizer": self.optimizer.state_dict(),
        }
        partial = path.with_suffix(".partial")
        torch.save(state, partial)
        os.replace(partial, path)

    def resume(self, path: Path) -> None:
        state = torch.load(path)
        assert (state["seed"], state["steps"]) == (self.seed, self.steps), "another seed or length: name another folder"
        self.text.load_state_dict(state["text"])
        self.unet.load_state_dict(state["unet"])
        self.ema = state["ema"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.secs = state["step"], state["secs"]


def sample_grid(trainer: Trainer, samples: Samples, path: Path) -> None:
    """Some training scenes, each with every kind: above, the edit; below, the target if there is one."""
    text, unet = trainer.averaged()
    editor = Editor.of_networks(text, unet, samples.tokenizer)
    rows = []
    for render, scene in samples.scenes[:3]:
        source = to_tensor(render.images[scene, 0])
        sources = source.expand(len(KINDS), -1, -1, -1)
        made = editor.edit(sources, [kind.wordings[0] for kind in KINDS.values()], steps=4)
        rows.append([source, *made])
        targets = {name: to_tensor(render.images[scene, 1 + i]) for i, name in enumerate(render.edits[scene])}
        rows.append([source, *(targets.get(name, torch.zeros_like(source)) for name in KINDS)])
    save_grid(rows, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--renders", type=Path, nargs="+", required=True, help="folders of one or two sizes")
    parser.add_argument("--trashnet", type=Path, help="folder with TrashNet's photographs and index files")
    parser.add_argument("--steps", type=int, default=10000)
    parser.add_argument("--stop", type=int, help="stop at this step, after a cool-down; to resume from before that")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.use_deterministic_algorithms(True)
    arguments.out.mkdir(parents=True, exist_ok=True)

    tokenizer = build_tokenizer()
    config = Config(tokenizer.get_vocab_size(), tokenizer.token_to_id(PAD))
    trainer = Trainer(config, arguments.seed, arguments.steps)
    checkpoint = arguments.out / "checkpoint.pt"
    if checkpoint.exists():
        trainer.resume(checkpoint)
    renders = [Renders(folder) for folder in arguments.renders]
    sets = []
    for size in sorted({render.size for render in renders}):
        photos = load_photos(arguments.trashnet, "train", size, arguments.out) if arguments.trashnet else None
        sets.append(Samples([render for render in renders if render.size == size], photos, tokenizer, config.text_length))
    empty = encode(tokenizer, [""], config.text_length)[0]
    stop = min(arguments.stop or arguments.steps, arguments.steps)

    errors: list[float] = []
    started = saved = time.monotonic()
    before = trainer.secs
    with (arguments.out / "log.jsonl").open("a") as log:
        while trainer.step < stop:
            rng = np.random.default_rng([arguments.seed, trainer.step])
            large = trainer.step % LARGE_EVERY == 0
            samples = sets[-1] if large else sets[0]
            batch = samples.batch(rng, LARGE_BATCH if large else BATCH)
            errors.append(trainer.train_step(batch, empty, rng, stop))
            now = time.monotonic()
            trainer.secs = before + now - started
            if trainer.step % 100 == 0:
                line = {"step": trainer.step, "error": round(float(np.mean(errors)), 5), "secs": round(trainer.secs)}
                print(json.dumps(line), file=log, flush=True)
                errors.clear()
            if now - saved > SAVE_EVERY_SECS or trainer.step == stop:
                trainer.save(checkpoint)
                sample_grid(trainer, sets[0], arguments.out / f"grid-{trainer.step:06}.png")
                saved = time.monotonic()


if __name__ == "__main__":
    main()
