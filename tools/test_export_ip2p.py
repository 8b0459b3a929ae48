"""Exports tiny checkpoints and compares the bundles with the fixtures of the Rust tests: `make test-export`.

The fixtures are compared to the bit, so the tests run with the kernels that they were recorded with.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import unittest
from importlib import util
from pathlib import Path
from types import SimpleNamespace

import pinned_kernels

if __name__ == "__main__":
    pinned_kernels.require("avx2")

import torch  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

ROOT = Path(__file__).parent.parent
FIXTURES = ROOT / "crates" / "torch" / "fixtures"
sys.path[:0] = [str(ROOT / "tools"), str(FIXTURES / "ip2p_reuse"), str(FIXTURES / "ip2p")]
import export_ip2p  # noqa: E402
import make_checkpoint  # noqa: E402

# Both fixtures have a make_fixtures.py; this is the smaller one's.
spec = util.spec_from_file_location("reuse_fixture", FIXTURES / "ip2p_reuse" / "make_fixtures.py")
reuse = util.module_from_spec(spec)
spec.loader.exec_module(reuse)

SOURCE = dict(repository="tiny", revision=None, license=None, lora_sha256=None)
QUERY = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"


def normal(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def module(folder, name):
    return torch.jit.load(str(Path(folder) / f"{name}.pt"))


class Export(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        torch.set_num_threads(1)
        cls.folder = tempfile.TemporaryDirectory()
        cls.checkpoint = f"{cls.folder.name}/checkpoint"
        make_checkpoint.tiny(reuse.tokenizer()).save_pretrained(cls.checkpoint)
        cls.bundle = f"{cls.folder.name}/bundle"
        cls.manifest = export_ip2p.export(export_ip2p.load(cls.checkpoint), cls.bundle, "fp32", SOURCE)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def out(self, name):
        return f"{self.folder.name}/{self.id()}-{name}"

    def assert_equal(self, a, b):
        self.assertEqual(a.dtype, b.dtype)
        self.assertTrue(torch.equal(a, b), f"largest difference {(a - b).abs().max()}")

    @torch.no_grad()
    def test_every_module_computes_what_the_fixture_does(self):
        common = load_file(FIXTURES / "ip2p" / "common.safetensors")
        tokens = json.loads((FIXTURES / "ip2p" / "tokens.json").read_text())
        ids = torch.tensor([next(row["ids"] for row in tokens if row["text"] == "make it look metallic")])
        self.assert_equal(module(self.bundle, "text_encoder")(ids), common["prompt_embeds"])
        # [H, W, C] in memory, as the pipeline has it: the last bits depend on the layout.
        image = common["image"][0].permute(1, 2, 0).contiguous().unsqueeze(0).permute(0, 3, 1, 2)
        self.assert_equal(module(self.bundle, "vae_encoder")(image), common["image_latents"])
        inputs = {
            "vae_decoder": (normal(1, 2, 4, 12, 16),),
            "unet": (normal(2, 3, 8, 16, 12), torch.tensor([901.0, 901.0, 11.5]), normal(3, 3, 77, 32)),
        }
        for name, values in inputs.items():
            fixture = module(FIXTURES / "ip2p" / "bundle", name)
            self.assert_equal(module(self.bundle, name)(*values), fixture(*values))

    def test_the_tokenizer_and_the_manifest_are_the_fixtures(self):
        fixture = FIXTURES / "ip2p" / "bundle"
        written = json.loads(Path(self.bundle, "tokenizer.json").read_text())
        self.assertEqual(written, json.loads((fixture / "tokenizer.json").read_text()))
        expected = json.loads((fixture / "manifest.json").read_text())
        for key in ("format", "version", "torch", "dtype", "latent", "side_multiple_px", "text"):
            self.assertEqual(self.manifest[key], expected[key], key)
        # The checkpoint's file states the spacing, since it was saved; the fixture is older than the field.
        self.assertEqual(self.manifest["scheduler"], dict(expected["scheduler"], timestep_spacing="linspace"))

    def scheduler_fields(self, **options):
        """What the manifest says of the options, read from a checkpoint that states them and no others."""
        path = Path(self.out("checkpoint"))
        shutil.copytree(self.checkpoint, path, dirs_exist_ok=True)
        config = dict(make_checkpoint.SCHEDULER) | dict(_class_name="EulerAncestralDiscreteScheduler", **options)
        (path / "scheduler" / "scheduler_config.json").write_text(json.dumps(config))
        return export_ip2p.scheduler_options(export_ip2p.load(str(path)).scheduler.config)

    def test_options_of_the_scheduler_are_carried_as_the_fixture_has_them(self):
        self.assertEqual(self.scheduler_fields(), {})
        self.assertEqual(self.scheduler_fields(clip_sample=False, skip_prk_steps=True, trained_betas=None), {})
        for spacing in ("leading", "trailing", "linspace"):
            self.assertEqual(self.scheduler_fields(timestep_spacing=spacing), {"timestep_spacing": spacing})
        self.assertEqual(self.scheduler_fields(use_karras_sigmas=True), {"use_karras_sigmas": True})
        self.assertEqual(self.scheduler_fields(clip_sample=True), {"clip_sample_range": 1.0})
        self.assertEqual(self.scheduler_fields(clip_sample=True, clip_sample_range=0.5), {"clip_sample_range": 0.5})

    def test_options_that_the_sampler_lacks_are_refused_by_name(self):
        wrong = dict(
            prediction_type="v_prediction",
            rescale_betas_zero_snr=True,
            thresholding=True,
            final_sigmas_type="sigma_min",
            use_exponential_sigmas=True,
            use_beta_sigmas=True,
            algorithm_type="sde-dpmsolver++",
            solver_order=3,
            sigma_max=10.0,
            timestep_spacing="quadratic",
            an_option_of_tomorrow=1,
        )
        for key, value in wrong.items():
            with self.assertRaisesRegex(export_ip2p.ExportError, f"scheduler.{key} is {value!r}".replace("+", r"\+")):
                self.scheduler_fields(**{key: value})

    def test_an_export_is_reproduced_to_the_byte(self):
        # In a process of its own: names of traced types carry a number that continues from earlier traces.
        command = [sys.executable, reuse.__file__, self.out("again")]
        subprocess.run(command, check=True, capture_output=True)
        written = json.loads(Path(self.out("again"), "manifest.json").read_text())
        expected = json.loads((FIXTURES / "ip2p_reuse" / "bundle" / "manifest.json").read_text())
        self.assertEqual(written, expected)
        for file in written["files"].values():
            content = Path(self.out("again"), file["name"]).read_bytes()
            self.assertEqual(hashlib.sha256(content).hexdigest(), file["sha256"])

    @torch.no_grad()
    def test_the_methods_of_the_unet_agree_at_other_shapes(self):
        unet = module(self.bundle, "unet")
        inputs = (normal(4, 1, 8, 8, 20), torch.tensor([321.0]), normal(5, 1, 77, 32))
        noise, features = unet.with_features(*inputs)
        self.assert_equal(noise, unet(*inputs))
        self.assert_equal(unet.from_features(*inputs, features), noise)
        self.assertFalse(torch.equal(unet.from_features(*inputs, features * 0), noise))

    @torch.no_grad()
    def test_a_bundle_cast_after_loading_computes_the_bits_of_an_export_in_that_type(self):
        for name, kind in (("bf16", torch.bfloat16), ("fp16", torch.float16)):
            export_ip2p.export(export_ip2p.load(self.checkpoint), self.out(name), name, SOURCE)
            values = (normal(6, 2, 8, 12, 16).to(kind), torch.full([2], 500.0), normal(7, 2, 77, 32).to(kind))
            cast = module(self.bundle, "unet").to(kind)
            self.assert_equal(cast(*values), module(self.out(name), "unet")(*values))
        decoder = module(self.bundle, "vae_decoder").to(torch.bfloat16)
        self.assertEqual(decoder(normal(8, 1, 4, 12, 16).bfloat16()).dtype, torch.bfloat16)

    def test_a_lora_is_folded_into_the_weights(self):
        down, up = normal(9, 4, 64), normal(10, 64, 4)
        file = Path(self.folder.name, "lora.safetensors")
        save_file({f"unet.{QUERY}.lora_A.weight": down, f"unet.{QUERY}.lora_B.weight": up}, file)
        plain, pipeline = export_ip2p.load(self.checkpoint), export_ip2p.load(self.checkpoint)
        export_ip2p.merge_lora(pipeline, file)
        before, after = plain.unet.state_dict(), pipeline.unet.state_dict()
        self.assertEqual(before.keys(), after.keys())
        for name, weight in before.items():
            expected = weight + up @ down if name == f"{QUERY}.weight" else weight
            self.assertTrue(torch.allclose(after[name], expected, atol=1e-5), name)
        source = export_ip2p.provenance(self.checkpoint, None, file)
        self.assertEqual(source["lora_sha256"], hashlib.sha256(file.read_bytes()).hexdigest())

    def test_what_cannot_be_exported_is_refused_with_what_to_do(self):
        file = Path(self.folder.name, "model.ckpt")
        file.touch()
        with self.assertRaisesRegex(export_ip2p.ExportError, "from_single_file"):
            export_ip2p.load(str(file))
        with self.assertRaisesRegex(export_ip2p.ExportError, "already holds a bundle"):
            export_ip2p.export(export_ip2p.load(self.checkpoint), self.bundle, "fp32", SOURCE)
        pipeline = export_ip2p.load(self.checkpoint)
        config = dict(pipeline.unet.config, in_channels=4)
        other = SimpleNamespace(
            unet=SimpleNamespace(config=SimpleNamespace(**config)), vae=pipeline.vae, scheduler=pipeline.scheduler
        )
        with self.assertRaisesRegex(export_ip2p.ExportError, "unet.in_channels is 4"):
            export_ip2p.check(other, "checkpoint")


if __name__ == "__main__":
    unittest.main()
