"""Turns a checkpoint of `train.py` into a bundle for `augtrial`.

    python export.py CHECKPOINT OUT

The contract of the modules is that of `tools/export_ip2p.py`; the manifest is written last, so that a folder without
one is not a bundle. The same checkpoint gives the same bytes.
"""

import argparse
import hashlib
import json
import tempfile
from pathlib import Path

import torch
from torch import Tensor, nn

from data import END, PAD, START, build_tokenizer
from model import (
    BETA_END,
    BETA_START,
    CHANNELS,
    LATENT_SCALE,
    PATCH_PX,
    SIDE_MULTIPLE_PX,
    TRAIN_TIMESTEPS,
    Config,
    Decoder,
    Encoder,
    NoisePredictor,
    TextEncoder,
    UNet,
)

LICENSE = "MIT OR Apache-2.0"
LARGEST_PX = (96, 72)
"""The largest size used in training; a larger picture is reduced to fit it."""
TRACE_ROWS, TRACE_HEIGHT_PX, TRACE_WIDTH_PX = 3, 48, 64
"""Sides and rows of the example inputs; traced modules accept others."""


def load(checkpoint: Path) -> tuple[TextEncoder, UNet, dict]:
    """The networks with averaged weights, and the checkpoint's facts."""
    state = torch.load(checkpoint)
    config = Config(**{**state["config"], "widths": tuple(state["config"]["widths"])})
    text, unet = TextEncoder(config), UNet(config)
    text.load_state_dict(state["averaged"]["text"])
    unet.load_state_dict(state["averaged"]["unet"])
    return text.eval(), unet.eval(), {key: state[key] for key in ("seed", "steps", "step", "secs")}


def trace(module: nn.Module, inputs: tuple[Tensor, ...], path: Path) -> None:
    with torch.no_grad(), tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / path.name
        torch.jit.trace(module.eval(), inputs, check_trace=False).save(str(raw))
        strip_debug(raw, path)


def strip_debug(source: Path, target: Path) -> None:
    """Removes source locations: they hold this machine's paths and make equal exports differ."""
    reader = torch._C.PyTorchFileReader(str(source))
    writer = torch._C.PyTorchFileWriter(str(target))
    for name in sorted(reader.get_all_records()):
        # The writer adds the version and its own bookkeeping.
        if not (name.endswith(".debug_pkl") or name in ("version", "byteorder") or name.startswith(".data/")):
            record = reader.get_record(name)
            writer.write_record(name, record, len(record))
    writer.write_end_of_file()


def digest_of_weights(*modules: nn.Module) -> str:
    digest = hashlib.sha256()
    for module in modules:
        for name, tensor in sorted(module.state_dict().items()):
            digest.update(name.encode() + tensor.numpy().tobytes())
    return f"sha256:{digest.hexdigest()}"


def export(checkpoint: Path, out: Path) -> int:
    """Writes the bundle into the folder `out` and returns its size in bytes."""
    text, unet, _ = load(checkpoint)
    tokenizer = build_tokenizer()
    length, width = text.position.shape
    generator = torch.Generator().manual_seed(0)
    rows, h, w = TRACE_ROWS, TRACE_HEIGHT_PX // PATCH_PX, TRACE_WIDTH_PX // PATCH_PX
    latents = torch.randn(rows, 2 * CHANNELS, h, w, generator=generator)
    times = torch.linspace(999.0, 1.0, rows)
    states = torch.randn(rows, length, width, generator=generator)
    modules: dict[str, tuple[nn.Module, tuple[Tensor, ...]]] = {
        "text_encoder": (text, (torch.ones(rows, length, dtype=torch.long),)),
        "vae_encoder": (Encoder(), (torch.zeros(rows, 3, TRACE_HEIGHT_PX, TRACE_WIDTH_PX),)),
        "vae_decoder": (Decoder(), (latents[:, :CHANNELS],)),
        "unet": (NoisePredictor(unet), (latents, times, states)),
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "manifest.json").unlink(missing_ok=True)
    for name, (module, inputs) in modules.items():
        trace(module, inputs, out / f"{name}.pt")
    (out / "tokenizer.json").write_text(tokenizer.to_str(pretty=True) + "\n")
    names = [*(f"{name}.pt" for name in modules), "tokenizer.json"]
    contents = {name: (out / name).read_bytes() for name in names}
    manifest = {
        "format": "augtrial-ip2p",
        "version": 1,
        "torch": torch.__version__.split("+")[0],
        "source": {
            "repository": "tools/train_editor",
            "revision": digest_of_weights(text, unet),
            "license": LICENSE,
            "lora_sha256": None,
        },
        "dtype": {"text_encoder": "fp32", "unet": "fp32", "vae": "fp32"},
        "latent": {"channels": CHANNELS, "scale_factor": LATENT_SCALE, "downsampling": PATCH_PX},
        "side_multiple_px": SIDE_MULTIPLE_PX,
        "working_px": {"width": LARGEST_PX[0], "height": LARGEST_PX[1]},
        "text": {
            "length": length,
            "width": width,
            "start_id": tokenizer.token_to_id(START),
            "end_id": tokenizer.token_to_id(END),
            "pad_id": tokenizer.token_to_id(PAD),
        },
        "scheduler": {
            "train_timesteps": TRAIN_TIMESTEPS,
            "beta_start": BETA_START,
            "beta_end": BETA_END,
            "steps_offset": 1,
            "set_alpha_to_one": True,
        },
        "files": {
            Path(name).stem: {"name": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in contents.items()
        },
    }
    (out / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    return sum(len(content) for content in contents.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    size_bytes = export(arguments.checkpoint, arguments.out)
    print(f"{arguments.out}: {size_bytes / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
