"""The editor in Python: the sampler of `crates/torch/src/diffusion/sampler.rs` with Euler's schedule, for grids and measurements.

`evaluate.py --parity` writes its pictures for a test that `augtrial` gives the same ones.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from data import encode
from model import LATENT_SCALE, TRAIN_TIMESTEPS, Decoder, Encoder, NoisePredictor, TextEncoder, UNet, alphas_cumprod

Network = Callable[..., Tensor]


class Editor:
    """Edits pictures of one size in batches."""

    def __init__(self, text: Network, encoder: Network, decoder: Network, unet: Network, tokenizer: Tokenizer, length: int):
        self.text, self.encoder, self.decoder, self.unet = text, encoder, decoder, unet
        self.tokenizer, self.length = tokenizer, length

    @classmethod
    def of_networks(cls, text: TextEncoder, unet: UNet, tokenizer: Tokenizer) -> "Editor":
        return cls(text, Encoder(), Decoder(), NoisePredictor(unet).eval(), tokenizer, len(text.position))

    @classmethod
    def of_bundle(cls, folder: Path, length: int) -> "Editor":
        text, encoder, decoder, unet = (
            torch.jit.load(folder / f"{name}.pt").eval() for name in ("text_encoder", "vae_encoder", "vae_decoder", "unet")
        )
        return cls(text, encoder, decoder, unet, Tokenizer.from_file(str(folder / "tokenizer.json")), length)

    @torch.no_grad()
    def edit(
        self,
        pictures: Tensor,
        instructions: Sequence[str],
        steps: int,
        text_guidance: float = 1.0,
        image_guidance: float = 1.0,
        seeds: Sequence[int] | None = None,
    ) -> Tensor:
        """Pictures `[B, 3, H, W]` in [0, 1], each with its instruction and its noise, edited; rounded to 8 bits."""
        image = self.encoder(pictures * 2 - 1)
        text = self.text(encode(self.tokenizer, instructions, self.length))
        empty = self.text(encode(self.tokenizer, [""], self.length)).expand_as(text)
        guided = text_guidance > 1 and image_guidance >= 1
        texts = torch.cat([text, empty, empty]) if guided else text
        images = torch.cat([image, image, torch.zeros_like(image)]) if guided else image
        times, sigmas = euler(steps)
        latents = self.noise(image.shape, seeds) * sigmas[0]
        for step, time in enumerate(times):
            rows = latents.repeat(3 if guided else 1, 1, 1, 1)
            scaled = rows / (sigmas[step] ** 2 + 1).sqrt()
            noise = self.unet(torch.cat([scaled, images], 1), time.expand(len(rows)).contiguous(), texts)
            if guided:
                full, image_only, neither = noise.chunk(3)
                noise = neither + (full - image_only) * text_guidance + (image_only - neither) * image_guidance
            latents = latents + (sigmas[step + 1] - sigmas[step]) * noise
        return ((self.decoder(latents / LATENT_SCALE) / 2 + 0.5).clamp(0, 1) * 255).round() / 255

    def noise(self, shape: torch.Size, seeds: Sequence[int] | None) -> Tensor:
        draws = [torch.Generator().manual_seed(seed) for seed in (seeds or range(shape[0]))]
        return torch.cat([torch.randn((1, *shape[1:]), generator=draw) for draw in draws])


def euler(steps: int) -> tuple[Tensor, Tensor]:
    """Times `[steps]` and noise levels `[steps + 1]` of diffusers' Euler schedule with linspace spacing."""
    abar = alphas_cumprod().numpy()
    table = ((1 - abar) / abar) ** 0.5
    times = np.linspace(0, TRAIN_TIMESTEPS - 1, steps)[::-1].copy()
    sigmas = np.interp(times, np.arange(TRAIN_TIMESTEPS), table)
    return torch.tensor(times, dtype=torch.float32), torch.tensor([*sigmas, 0.0], dtype=torch.float32)
