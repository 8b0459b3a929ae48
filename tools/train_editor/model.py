"""The networks of the small editor, and its noise schedule.

The formulation is that of Brooks, Holynski, Efros (2023): a U-Net sees noisy latents beside the source's latents and attends
to the instruction. Its output differs: it predicts the clean picture as a change of the source, by one
affine map of colors for the object and one for its surroundings, blended by a mask, plus a gain and a bias for every
value. `NoisePredictor` turns that into the noise that samplers expect.
"""

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TRAIN_TIMESTEPS = 1000
BETA_START, BETA_END = 0.00085, 0.012
PATCH_PX = 2
"""Side of the pixel blocks that become the channels of the latents."""
CHANNELS = 3 * PATCH_PX**2
LATENT_SCALE = 0.25
"""Latents are multiplied by this before diffusion. With a larger scale the target would show through the noise at nearly every
noise level, and the network would hardly learn to use the instruction."""
SIDE_MULTIPLE_PX = 4 * PATCH_PX
"""The U-Net halves the latents twice."""


@dataclass(frozen=True)
class Config:
    vocabulary: int
    pad_id: int
    text_length: int = 20
    text_width: int = 96
    text_layers: int = 2
    widths: tuple[int, int, int] = (48, 96, 160)
    heads: int = 4

    def to_dict(self) -> dict:
        return asdict(self)


def alphas_cumprod() -> Tensor:
    """Stable Diffusion's schedule: betas linear in their square roots; `[TRAIN_TIMESTEPS]`, float64."""
    betas = torch.linspace(BETA_START**0.5, BETA_END**0.5, TRAIN_TIMESTEPS, dtype=torch.float64) ** 2
    return torch.cumprod(1 - betas, 0)


class Encoder(nn.Module):
    """The fixed, invertible "autoencoder": blocks of pixels become channels."""

    def forward(self, image: Tensor) -> Tensor:
        return F.pixel_unshuffle(image, PATCH_PX)


class Decoder(nn.Module):
    def forward(self, latents: Tensor) -> Tensor:
        return F.pixel_shuffle(latents, PATCH_PX)


class Attention(nn.Module):
    """Queries of `width` attend to keys of `context` width; the output layer starts at zero."""

    def __init__(self, width: int, context: int, heads: int):
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width, bias=False)
        self.key_value = nn.Linear(context, 2 * width, bias=False)
        self.out = nn.Linear(width, width)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, context: Tensor, mask: Tensor | None = None) -> Tensor:
        query = self.query(x).unflatten(2, (self.heads, -1)).transpose(1, 2)
        key, value = self.key_value(context).unflatten(2, (2 * self.heads, -1)).transpose(1, 2).chunk(2, 1)
        found = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return self.out(found.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """A transformer block over tokens or positions, with optional attention to a context."""

    def __init__(self, width: int, heads: int, context: int | None = None, itself: bool = True):
        super().__init__()
        self.norm_self = nn.LayerNorm(width) if itself else None
        self.attend_self = Attention(width, width, heads) if itself else None
        self.norm_context = nn.LayerNorm(width) if context else None
        self.attend_context = Attention(width, context, heads) if context else None
        self.feed = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor, context: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        if self.attend_self is not None:
            normed = self.norm_self(x)
            x = x + self.attend_self(normed, normed, mask)
        if self.attend_context is not None:
            x = x + self.attend_context(self.norm_context(x), context)
        return x + self.feed(x)


class TextEncoder(nn.Module):
    """Ids `[B, L]` to hidden states `[B, L, D]`. The first state stands for the whole text; padding's states are zero."""

    def __init__(self, config: Config):
        super().__init__()
        self.pad_id = config.pad_id
        self.embedding = nn.Embedding(config.vocabulary, config.text_width)
        self.position = nn.Parameter(0.02 * torch.randn(config.text_length, config.text_width))
        self.blocks = nn.ModuleList(Block(config.text_width, config.heads) for _ in range(config.text_layers))
        self.norm = nn.LayerNorm(config.text_width)

    def forward(self, ids: Tensor) -> Tensor:
        present = ids != self.pad_id
        x = self.embedding(ids) + self.position
        for block in self.blocks:
            x = block(x, mask=present[:, None, None, :])
        return self.norm(x) * present[:, :, None]


class ResBlock(nn.Module):
    """Two convolutions, the second modulated by time and text."""

    def __init__(self, width_in: int, width: int, condition: int):
        super().__init__()
        self.enter = nn.Sequential(nn.GroupNorm(8, width_in), nn.SiLU(), nn.Conv2d(width_in, width, 3, padding=1))
        self.norm = nn.GroupNorm(8, width)
        self.modulate = nn.Linear(condition, 2 * width)
        self.leave = nn.Conv2d(width, width, 3, padding=1)
        self.skip = nn.Conv2d(width_in, width, 1) if width_in != width else nn.Identity()
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        scale, shift = self.modulate(condition)[:, :, None, None].chunk(2, 1)
        hidden = self.norm(self.enter(x)) * (1 + scale) + shift
        return self.skip(x) + self.leave(F.silu(hidden))


class Attending(nn.Module):
    """A transformer block over the positions of a feature map."""

    def __init__(self, width: int, heads: int, context: int, itself: bool):
        super().__init__()
        self.block = Block(width, heads, context, itself)

    def forward(self, x: Tensor, text: Tensor) -> Tensor:
        height = x.shape[2]
        return self.block(x.flatten(2).transpose(1, 2), text).transpose(1, 2).unflatten(2, (height, -1))


class UNet(nn.Module):
    """Predicts the clean latents, and where the object is."""

    def __init__(self, config: Config):
        super().__init__()
        high, middle, low = config.widths
        text, heads, condition = config.text_width, config.heads, 192
        self.frequencies: Tensor
        self.register_buffer("frequencies", torch.exp(torch.linspace(0, -9.2, 32)))
        self.time = nn.Sequential(nn.Linear(64, condition), nn.SiLU(), nn.Linear(condition, condition))
        self.pooled = nn.Linear(text, condition)
        self.enter = nn.Conv2d(2 * CHANNELS, high, 3, padding=1)
        self.down_high = ResBlock(high, high, condition)
        self.to_middle = nn.Conv2d(high, middle, 3, stride=2, padding=1)
        self.down_middle = ResBlock(middle, middle, condition)
        self.down_attend = Attending(middle, heads, text, itself=False)
        self.to_low = nn.Conv2d(middle, low, 3, stride=2, padding=1)
        self.low = nn.ModuleList(ResBlock(low, low, condition) for _ in range(2))
        self.low_attend = nn.ModuleList(Attending(low, heads, text, itself=True) for _ in range(2))
        self.from_low = nn.Conv2d(low, middle, 1)
        self.up_middle = ResBlock(2 * middle, middle, condition)
        self.up_attend = Attending(middle, heads, text, itself=False)
        self.from_middle = nn.Conv2d(middle, high, 1)
        self.up_high = nn.ModuleList([ResBlock(2 * high, high, condition), ResBlock(high, high, condition)])
        self.head = nn.Sequential(
            nn.GroupNorm(8, high), nn.SiLU(), nn.Conv2d(high, PATCH_PX**2 + 2 * CHANNELS, 3, padding=1)
        )
        # A 3 x 3 matrix and an offset for the object, and as many for its surroundings.
        self.colors = nn.Sequential(nn.Linear(condition + low, 192), nn.SiLU(), nn.Linear(192, 2 * 12))
        for last in (self.head[-1], self.colors[-1]):
            nn.init.normal_(last.weight, std=1e-3)
            nn.init.zeros_(last.bias)

    def forward(self, latents: Tensor, image: Tensor, time: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """Noisy and source latents `[B, C, h, w]`, times `[B]`, text `[B, L, D]` to clean latents, unscaled as the source's,
        and mask logits `[B, 4, h, w]`."""
        angles = time[:, None] * self.frequencies
        condition = F.silu(self.time(torch.cat([angles.sin(), angles.cos()], 1)) + self.pooled(text[:, 0]))
        high = self.down_high(self.enter(torch.cat([latents, image], 1)), condition)
        middle = self.down_attend(self.down_middle(self.to_middle(high), condition), text)
        low = self.to_low(middle)
        for block, attend in zip(self.low, self.low_attend):
            low = attend(block(low, condition), text)
        x = torch.cat([F.interpolate(self.from_low(low), scale_factor=2.0), middle], 1)
        x = self.up_attend(self.up_middle(x, condition), text)
        x = torch.cat([F.interpolate(self.from_middle(x), scale_factor=2.0), high], 1)
        for block in self.up_high:
            x = block(x, condition)
        mask, gain, bias = self.head(x).split([PATCH_PX**2, CHANNELS, CHANNELS], 1)
        colors = self.colors(torch.cat([condition, low.mean((2, 3))], 1))
        return image * (1 + gain) + bias + blend(image, mask.sigmoid(), colors), mask


def blend(image: Tensor, object_share: Tensor, colors: Tensor) -> Tensor:
    """The change made by two affine maps of the three colors, the first on the object and the second around it."""
    maps = colors.view(-1, 2, 3, 4)
    pixels = image.unflatten(1, (3, PATCH_PX**2))
    mapped = torch.einsum("bkij,bjshw->bkishw", maps[..., :3], pixels) + maps[..., 3, None, None, None]
    share = object_share[:, None]
    return (mapped[:, 0] * share + mapped[:, 1] * (1 - share)).flatten(1, 2)


class NoisePredictor(nn.Module):
    """The U-Net as samplers call it: `(input [N, 2 C, h, w], time [N], text [N, L, D])` to the noise `[N, C, h, w]`."""

    def __init__(self, unet: UNet):
        super().__init__()
        self.unet = unet
        abar = alphas_cumprod()
        self.sigmas: Tensor
        self.register_buffer("sigmas", ((1 - abar) / abar).sqrt().float())

    def forward(self, rows: Tensor, time: Tensor, text: Tensor) -> Tensor:
        latents, image = rows.chunk(2, 1)
        clean = LATENT_SCALE * self.unet(latents, image, time, text)[0]
        # Samplers also use times between timesteps, where they interpolate the noise level.
        below = time.floor().clamp(0, TRAIN_TIMESTEPS - 2)
        low, high = self.sigmas[below.long()], self.sigmas[below.long() + 1]
        sigma = (low + (high - low) * (time - below))[:, None, None, None]
        # latents = (clean + sigma noise) / sqrt(1 + sigma^2)
        return (latents * (1 + sigma**2).sqrt() - clean) / sigma
