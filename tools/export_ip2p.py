"""Turns an InstructPix2Pix checkpoint in diffusers format into a bundle that `augtrial` runs without Python.

    python tools/export_ip2p.py CHECKPOINT OUT [--dtype fp32|fp16|bf16] [--merge-lora FILE]

CHECKPOINT is a local folder or a hub id (timbrooks/instruct-pix2pix, or a relative with the same 8-channel UNet). OUT gets
four TorchScript modules, tokenizer.json and manifest.json with every file's SHA-256. Environment:
tools/requirements-export.txt.

Contracts of the modules (B images, latents h x w = image sides / 8):
    text_encoder(ids i64 [B, 77]) -> hidden states [B, 77, D]: no attention mask, the final layer norm applied
    vae_encoder(image [B, 3, H, W] in [-1, 1]) -> mode of the posterior [B, 4, h, w], *not* scaled
    vae_decoder(latents [B, 4, h, w], already divided by the scaling factor) -> image [B, 3, H, W], about [-1, 1]
    unet(input [N, 8, h, w], timestep f32 [N], text [N, 77, D]) -> noise prediction [N, 4, h, w]
    unet.with_features(as unet) -> the same noise prediction, and the features [N, F, h, w] before the last layer
    unet.from_features(as unet, features) -> noise prediction from the last layer alone (Ma, Fang, Wang 2024, DeepCache)

The three methods of the U-Net share one set of weights. The U-Net and the autoencoder compute in whatever floating-point type
they are cast to: cast to bf16 after loading, a fp32 bundle gives the bits of a bf16 export.
"""

import argparse
import hashlib
import json
import re
import sys
import tempfile
import warnings
from pathlib import Path

import torch
from diffusers import StableDiffusionInstructPix2PixPipeline
from diffusers.models.attention_processor import AttnProcessor2_0
from torch import nn
from transformers import CLIPTextModel

FORMAT = "augtrial-ip2p"
VERSION = 1
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
# The sides of the example inputs; traced modules serve any size the networks allow.
TRACE_HEIGHT_PX, TRACE_WIDTH_PX, TRACE_BATCH = 128, 192, 2


class TextEncoder(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, ids):
        return self.model(ids, attention_mask=None, return_dict=False)[0]


class VaeEncoder(nn.Module):
    def __init__(self, vae):
        super().__init__()
        # Not the whole autoencoder: a trace keeps the weights of every submodule, used or not.
        self.encoder, self.quant_conv = vae.encoder, vae.quant_conv

    def forward(self, image):
        moments = self.encoder(image)
        if self.quant_conv is not None:
            moments = self.quant_conv(moments)
        return moments.chunk(2, 1)[0]


class VaeDecoder(nn.Module):
    def __init__(self, vae):
        super().__init__()
        self.decoder, self.post_quant_conv = vae.decoder, vae.post_quant_conv

    def forward(self, latents):
        if self.post_quant_conv is not None:
            latents = self.post_quant_conv(latents)
        return self.decoder(latents)


class UNet(nn.Module):
    def __init__(self, unet):
        super().__init__()
        self.unet = unet

    def forward(self, sample, timestep, text):
        return self.unet(sample, timestep, encoder_hidden_states=text, return_dict=False)[0]

    def with_features(self, sample, timestep, text):
        """The last layer of the last block sees what the others made of the input, beside the first convolution's output:
        the former changes little between steps, the latter is computed anew in `from_features`."""
        seen = []
        hook = self.unet.up_blocks[-1].resnets[-1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        try:
            noise = self(sample, timestep, text)
        finally:
            hook.remove()
        return noise, seen[0][:, : -self.unet.conv_in.out_channels]

    def from_features(self, sample, timestep, text, features):
        unet, block = self.unet, self.unet.up_blocks[-1]
        time = unet.time_embedding(unet.get_time_embed(sample, timestep))
        hidden = block.resnets[-1](torch.cat([features, unet.conv_in(sample)], dim=1), time)
        if getattr(block, "has_cross_attention", False):
            hidden = block.attentions[-1](hidden, encoder_hidden_states=text, return_dict=False)[0]
        return unet.conv_out(unet.conv_act(unet.conv_norm_out(hidden)))


class ExportError(Exception):
    """Why a checkpoint cannot become a bundle, and what to do."""


def load(checkpoint, revision=None):
    """The pipeline in fp32, with every weight of the text encoder accounted for."""
    if Path(checkpoint).is_file():
        raise ExportError(
            f"{checkpoint} is a single file (the CompVis layout); convert it first:\n"
            '  python -c "from diffusers import StableDiffusionInstructPix2PixPipeline as P; '
            f"P.from_single_file('{checkpoint}', config='timbrooks/instruct-pix2pix').save_pretrained('CONVERTED')\""
        )
    # transformers 5 renamed the text encoder's parameters: a key that is not converted would stay random, in silence.
    text_encoder, info = CLIPTextModel.from_pretrained(
        checkpoint, subfolder="text_encoder", revision=revision, output_loading_info=True, dtype=torch.float32
    )
    missing = sorted(key for key in info["missing_keys"] if not key.endswith("position_ids"))
    if missing:
        raise ExportError(f"{checkpoint}/text_encoder lacks {len(missing)} weights, e.g. {missing[0]}")
    pipeline = StableDiffusionInstructPix2PixPipeline.from_pretrained(
        checkpoint,
        revision=revision,
        text_encoder=text_encoder,
        safety_checker=None,
        requires_safety_checker=False,
        dtype=torch.float32,
    )
    check(pipeline, checkpoint)
    return pipeline


def check(pipeline, checkpoint):
    """Refuses what the sampler does not implement."""
    unet, vae, scheduler = pipeline.unet.config, pipeline.vae.config, pipeline.scheduler.config
    facts = [
        ("unet.in_channels", unet.in_channels, 2 * vae.latent_channels),
        ("unet.out_channels", unet.out_channels, vae.latent_channels),
        ("scheduler.prediction_type", scheduler.prediction_type, "epsilon"),
        ("scheduler.beta_schedule", scheduler.beta_schedule, "scaled_linear"),
        # What the U-Net adds to the time embedding, or does to the sample, in relatives of Stable Diffusion 1.5 only.
        ("unet.class_embed_type", unet.class_embed_type, None),
        ("unet.addition_embed_type", unet.addition_embed_type, None),
        ("unet.time_embedding_act_fn", unet.time_embedding_act_fn, None),
        ("unet.center_input_sample", unet.center_input_sample, False),
    ]
    for name, found, wanted in facts:
        if found != wanted:
            raise ExportError(f"{checkpoint}: {name} is {found!r}, and only {wanted!r} is supported")
    check_scheduler(scheduler, checkpoint)


# Options of diffusers' schedulers that the manifest carries, and the sampler obeys.
CARRIED = {
    "num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "prediction_type", "steps_offset", "set_alpha_to_one",
    "timestep_spacing", "use_karras_sigmas", "clip_sample", "clip_sample_range",
}  # fmt: skip
# Options that decide nothing while those in FIXED have their only value, or that belong to schedulers that augtrial lacks.
WITHOUT_EFFECT = {
    "dynamic_thresholding_ratio", "sample_max_value", "flow_shift", "time_shift_type", "skip_prk_steps", "solver_p",
}  # fmt: skip
# Options with the only values that the sampler implements.
FIXED = {
    "trained_betas": [None],
    "rescale_betas_zero_snr": [False],
    "thresholding": [False],
    "use_exponential_sigmas": [False, None],
    "use_beta_sigmas": [False, None],
    "use_lu_lambdas": [False],
    "use_flow_sigmas": [False],
    "use_dynamic_shifting": [False],
    "shift_terminal": [None],
    "final_sigmas_type": ["zero"],
    "interpolation_type": ["linear"],
    "timestep_type": ["discrete"],
    "sigma_min": [None],
    "sigma_max": [None],
    "algorithm_type": ["dpmsolver++"],
    # Each solver replaces the other's names by its own.
    "solver_type": ["midpoint", "bh2"],
    "solver_order": [2],
    "lower_order_final": [True],
    "euler_at_final": [False],
    "lambda_min_clipped": [-float("inf")],
    "variance_type": [None, "fixed_small", "fixed_small_log", "fixed_large", "fixed_large_log"],
    "predict_x0": [True],
    "disable_corrector": [[]],
    "original_inference_steps": [50],
    "timestep_scaling": [10.0],
}


def stated(scheduler):
    """What the checkpoint's file says: diffusers adds defaults of the scheduler's class, which another scheduler does not take
    over (`from_config`)."""
    defaults = scheduler.get("_use_default_values", [])
    return {key: value for key, value in scheduler.items() if not key.startswith("_") and key not in defaults}


def check_scheduler(scheduler, checkpoint):
    """Refuses options of the scheduler that would decide an edit and that the sampler does not implement."""
    for key, value in stated(scheduler).items():
        if key in FIXED and value not in FIXED[key]:
            only = " or ".join(repr(option) for option in FIXED[key])
            raise ExportError(
                f"{checkpoint}: scheduler.{key} is {value!r}, and augtrial's sampler implements only {only}: an edit would differ "
                "from diffusers'"
            )
        if key not in FIXED and key not in CARRIED | WITHOUT_EFFECT:
            raise ExportError(
                f"{checkpoint}: scheduler.{key} is {value!r}, and this exporter does not know the option: it may decide edits"
            )
    spacing = stated(scheduler).get("timestep_spacing", "linspace")
    if spacing not in ("linspace", "leading", "trailing"):
        raise ExportError(f"{checkpoint}: scheduler.timestep_spacing is {spacing!r}, which is none of diffusers'")


def scheduler_options(scheduler):
    """Options that the checkpoint states, as fields of the manifest that are absent where they change nothing.

    What it does not state is as in Stable Diffusion 1.5: no clipping, and each scheduler's own spacing.
    """
    options = stated(scheduler)
    fields = {}
    if "timestep_spacing" in options:
        fields["timestep_spacing"] = options["timestep_spacing"]
    if options.get("use_karras_sigmas"):
        fields["use_karras_sigmas"] = True
    if options.get("clip_sample"):
        fields["clip_sample_range"] = float(options.get("clip_sample_range", 1.0))
    return fields


def merge_lora(pipeline, path):
    """Folds a LoRA into the UNet (and the text encoder, if the file has weights for it)."""
    path = Path(path)
    pipeline.load_lora_weights(str(path.parent), weight_name=path.name)
    pipeline.fuse_lora()
    pipeline.unload_lora_weights()


def example_inputs(pipeline, dtype, vae_dtype):
    generator = torch.Generator().manual_seed(0)
    h, w = TRACE_HEIGHT_PX // pipeline.vae_scale_factor, TRACE_WIDTH_PX // pipeline.vae_scale_factor
    length, width = text_shape(pipeline)
    channels, rows = pipeline.vae.config.latent_channels, 3 * TRACE_BATCH

    def normal(kind, *shape):
        return torch.randn(*shape, generator=generator).to(kind)

    return {
        "text_encoder": (torch.zeros(TRACE_BATCH, length, dtype=torch.long),),
        "vae_encoder": (normal(vae_dtype, TRACE_BATCH, 3, TRACE_HEIGHT_PX, TRACE_WIDTH_PX),),
        "vae_decoder": (normal(vae_dtype, TRACE_BATCH, channels, h, w),),
        # A vector of times: a UNet traced with a scalar refuses a vector, and this one takes both equal and mixed times.
        "unet": (
            normal(dtype, rows, 2 * channels, h, w),
            torch.linspace(981.0, 1.0, rows),
            normal(dtype, rows, length, width),
        ),
    }


def text_shape(pipeline):
    return pipeline.text_encoder.config.max_position_embeddings, pipeline.unet.config.cross_attention_dim


def trace(module, inputs, path, castable):
    methods = {"forward": inputs}
    with torch.no_grad(), warnings.catch_warnings():
        # Shape checks in Python that the trace leaves out; the parity tests cover other sizes and batches.
        warnings.simplefilter("ignore")
        expected = module.eval()(*inputs)
        if isinstance(module, UNet):
            noise, features = module.with_features(*inputs)
            if not (torch.equal(noise, expected) and torch.equal(module.from_features(*inputs, features), expected)):
                raise ExportError("this U-Net's last layer cannot be run alone: its structure is not Stable Diffusion 1.5's")
            methods |= {"with_features": inputs, "from_features": (*inputs, features)}
        traced = torch.jit.trace_module(module, methods, check_trace=False)
        if castable:
            drop_casts(traced)
        if not torch.equal(traced(*inputs), expected):
            raise ExportError(f"the trace of {path.stem} computes something else than the checkpoint")
        with tempfile.TemporaryDirectory() as folder:
            raw = Path(folder) / path.name
            traced.save(str(raw))
            strip_debug(raw, path)


def drop_casts(traced):
    """Removes casts to the type that a value has anyway: they name the type of the trace, and would forbid any other."""
    for module in traced.modules():
        for name in module._c._method_names():
            graph = module._c._get_method(name).graph
            for node in [node for node in graph.nodes() if node.kind() == "aten::to"]:
                node.output().replaceAllUsesWith(node.inputsAt(0))
                node.destroy()


def strip_debug(source, target):
    """Drops source locations: they hold this machine's paths and make equal exports differ."""
    reader = torch._C.PyTorchFileReader(str(source))
    writer = torch._C.PyTorchFileWriter(str(target))
    for name in sorted(reader.get_all_records()):
        # The writer adds the version and its own bookkeeping.
        if name.endswith(".debug_pkl") or name in ("version", "byteorder") or name.startswith(".data/"):
            continue
        record = reader.get_record(name)
        writer.write_record(name, record, len(record))
    writer.write_end_of_file()


def write_tokenizer(pipeline, path):
    tokenizer = json.loads(pipeline.tokenizer.backend_tokenizer.to_str())
    # Padding and truncation are the caller's, and are recorded in the manifest.
    tokenizer["padding"] = tokenizer["truncation"] = None
    path.write_text(json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":")))


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def provenance(checkpoint, revision, lora):
    """Where the weights come from: for the hub, the commit; for a folder, the digest of its UNet's weights."""
    source = {"repository": str(checkpoint), "revision": None, "license": None, "lora_sha256": None}
    card = Path(checkpoint) / "README.md"
    if Path(checkpoint).is_dir():
        source["repository"] = Path(checkpoint).resolve().name
        weights = sorted((Path(checkpoint) / "unet").glob("*.safetensors"))
        source["revision"] = "sha256:" + "+".join(sha256(file) for file in weights) if weights else None
    else:
        from huggingface_hub import hf_hub_download, model_info

        model = model_info(checkpoint, revision=revision)
        source["revision"] = model.sha
        if any(file.rfilename == "README.md" for file in model.siblings):
            card = Path(hf_hub_download(checkpoint, "README.md", revision=model.sha))
    if card.is_file():
        found = re.search(r"^license:\s*(\S+)", card.read_text(), re.MULTILINE)
        source["license"] = found and found.group(1)
    if lora:
        source["lora_sha256"] = sha256(lora)
    return source


def export(pipeline, out, dtype_name, source):
    """Writes the bundle; the manifest comes last, so that a folder without one is not a bundle."""
    out = Path(out)
    if (out / "manifest.json").exists():
        raise ExportError(f"{out} already holds a bundle; name another folder")
    out.mkdir(parents=True, exist_ok=True)
    # The autoencoder stays in fp32: Stable Diffusion 1.5's overflows in half precision.
    dtype, vae_dtype = DTYPES[dtype_name], torch.float32
    pipeline.text_encoder.to(dtype)
    pipeline.unet.to(dtype)
    pipeline.vae.to(vae_dtype)
    pipeline.unet.set_attn_processor(AttnProcessor2_0())
    pipeline.vae.set_attn_processor(AttnProcessor2_0())
    # As diffusers, without the type's name in the trace.
    unet = pipeline.unet
    unet.get_time_embed = lambda sample, timestep: unet.time_proj(timestep).type_as(sample)
    modules = {
        "text_encoder": TextEncoder(pipeline.text_encoder),
        "vae_encoder": VaeEncoder(pipeline.vae),
        "vae_decoder": VaeDecoder(pipeline.vae),
        "unet": UNet(unet),
    }
    for name, inputs in example_inputs(pipeline, dtype, vae_dtype).items():
        # The text encoder runs once an instruction: its type gains nothing.
        trace(modules[name], inputs, out / f"{name}.pt", castable=name != "text_encoder")
    write_tokenizer(pipeline, out / "tokenizer.json")
    names = [f"{name}.pt" for name in modules] + ["tokenizer.json"]
    manifest = manifest_of(pipeline, dtype_name, source)
    manifest["files"] = {
        Path(name).stem: {"name": name, "bytes": (out / name).stat().st_size, "sha256": sha256(out / name)}
        for name in names
    }
    (out / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    return manifest


def manifest_of(pipeline, dtype_name, source):
    length, width = text_shape(pipeline)
    scheduler = pipeline.scheduler.config
    vae_scale = pipeline.vae_scale_factor
    return {
        "format": FORMAT,
        "version": VERSION,
        "torch": torch.__version__.split("+")[0],
        "source": source,
        "dtype": {"text_encoder": dtype_name, "unet": dtype_name, "vae": "fp32"},
        "castable": True,
        "feature_reuse": True,
        "latent": {
            "channels": pipeline.vae.config.latent_channels,
            "scale_factor": pipeline.vae.config.scaling_factor,
            "downsampling": vae_scale,
        },
        # Every level but the last of the UNet halves the latents once more.
        "side_multiple_px": vae_scale * 2 ** (len(pipeline.unet.config.block_out_channels) - 1),
        "text": {
            "length": length,
            "width": width,
            "start_id": pipeline.tokenizer.bos_token_id,
            "end_id": pipeline.tokenizer.eos_token_id,
            "pad_id": pipeline.tokenizer.pad_token_id,
        },
        "scheduler": {
            "train_timesteps": scheduler.num_train_timesteps,
            "beta_start": scheduler.beta_start,
            "beta_end": scheduler.beta_end,
            "steps_offset": scheduler.get("steps_offset", 0),
            "set_alpha_to_one": bool(stated(scheduler).get("set_alpha_to_one", False)),
            **scheduler_options(scheduler),
        },
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="folder in diffusers format, or hub id")
    parser.add_argument("out", help="folder of the bundle to write")
    parser.add_argument("--dtype", choices=sorted(DTYPES), default="fp32", help="of the text encoder and the UNet")
    parser.add_argument("--merge-lora", metavar="FILE", help="a LoRA to fold into the weights, e.g. LCM's")
    parser.add_argument("--revision", help="hub revision; default: the newest")
    arguments = parser.parse_args()
    try:
        pipeline = load(arguments.checkpoint, arguments.revision)
        source = provenance(arguments.checkpoint, arguments.revision, arguments.merge_lora)
        if arguments.merge_lora:
            merge_lora(pipeline, arguments.merge_lora)
        manifest = export(pipeline, arguments.out, arguments.dtype, source)
    except ExportError as error:
        sys.exit(f"error: {error}")
    total = sum(file["bytes"] for file in manifest["files"].values())
    print(f"{arguments.out}: {len(manifest['files'])} files, {total / 1e6:.0f} MB, {arguments.dtype}")


if __name__ == "__main__":
    main()
