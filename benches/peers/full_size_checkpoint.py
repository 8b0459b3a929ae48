"""Writes a checkpoint with the shape of Stable Diffusion 1.5 and random weights, 4.2 GB. It costs as much time as the real one; its
edits are noise.

    python full_size_checkpoint.py OUT

Environment: tools/requirements-export.txt.
"""

import importlib.util
import sys
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    EulerDiscreteScheduler,
    StableDiffusionInstructPix2PixPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel

FIXTURES = Path(__file__).parents[2] / "crates" / "torch" / "fixtures"


def fixture(name):
    sys.path.insert(0, str(FIXTURES / "ip2p"))
    spec = importlib.util.spec_from_file_location("fixture", FIXTURES / name / "make_fixtures.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def checkpoint():
    reuse = fixture("ip2p_reuse")
    torch.manual_seed(0)
    unet = UNet2DConditionModel(in_channels=8, cross_attention_dim=768, sample_size=64)
    vae = AutoencoderKL(
        block_out_channels=[128, 256, 512, 512],
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        latent_channels=4,
        layers_per_block=2,
    )
    text = CLIPTextModel(
        CLIPTextConfig(
            hidden_size=768,
            intermediate_size=3072,
            num_attention_heads=12,
            num_hidden_layers=12,
            vocab_size=49408,
            bos_token_id=49406,
            eos_token_id=49407,
        )
    )
    return StableDiffusionInstructPix2PixPipeline(
        vae=vae.eval(),
        text_encoder=text.eval(),
        tokenizer=reuse.tokenizer(),
        unet=unet.eval(),
        scheduler=EulerDiscreteScheduler(**reuse.SCHEDULER),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


if __name__ == "__main__":
    checkpoint().save_pretrained(sys.argv[1])
