"""Exports tiny networks of plain PyTorch, and networks that must be refused: `make test-export`."""

import json
import tempfile
import unittest
from pathlib import Path

import export_classifier
import torch

MODELS = '''
import torch
from torch import nn

class Net(nn.Module):
    """A convolution with batch normalization, dropout, and a head; `change` spoils it."""

    def __init__(self, change=""):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2)
        self.norm = nn.BatchNorm2d(8, momentum=None if change == "momentum" else 0.1)
        self.drop = nn.Dropout(0.5 if change == "dropout" else 0.0)
        self.fc = nn.Linear(8, 5, bias=change != "bias")
        self.other = nn.Linear(8, 8)
        if change == "tied":
            self.other.bias = self.norm.bias
        self.softmax = change == "softmax"

    def forward(self, images):
        x = self.norm(self.stem(images)).relu().mean([2, 3])
        scores = self.fc(self.drop(self.other(x)))
        if self.softmax:
            return scores.softmax(1)
        return scores

class Unscriptable(Net):
    def forward(self, images):
        return self.fc(self.other(eval("self.norm(self.stem(images))").relu().mean([2, 3])))

def plain(): return Net()
def dropout(): return Net("dropout")
def momentum(): return Net("momentum")
def tied(): return Net("tied")
def bias(): return Net("bias")
def softmax(): return Net("softmax")
def unscriptable(): return Unscriptable()
def traced(): return torch.jit.trace(Net().eval(), torch.zeros(1, 3, 16, 16))
def nothing(): return 7
'''


class Export(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        torch.set_num_threads(1)
        cls.folder = tempfile.TemporaryDirectory()
        cls.models = Path(cls.folder.name) / "models.py"
        cls.models.write_text(MODELS)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def export(self, name, *options):
        self.out = Path(self.folder.name) / name
        arguments = [f"{self.models}:{name}", str(self.out), "--size", "32", "32", *options]
        return export_classifier.export(export_classifier.parse(arguments))

    def test_the_module_and_the_manifest_say_the_same(self):
        manifest = self.export("plain", "--stem", "stem,norm", "--license", "MIT", "--mean", "0.5", "0.5", "0.5")
        self.assertEqual(json.loads((self.out / "manifest.json").read_text()), manifest)
        self.assertEqual(manifest["head"], {"name": "fc", "features": 8, "classes": 5})
        self.assertEqual((manifest["stem"], manifest["source"]["license"], manifest["pretrained"]), (["stem", "norm"], "MIT", False))
        self.assertEqual(manifest["input"]["mean"], [0.5, 0.5, 0.5])
        self.assertEqual(manifest["input"]["deviation"], [0.229, 0.224, 0.225])
        self.assertFalse(manifest["input"]["fixed"] or manifest["random_layers"])
        self.assertEqual(manifest["file"]["sha256"], export_classifier.sha256(self.out / "network.pt"))
        # 3 px fit the convolution; of 4 px a lone image keeps one value a channel.
        self.assertEqual((manifest["input"]["least_px"], manifest["measured"]["lone_image_px"]), (4, 4))
        module = torch.jit.load(str(self.out / "network.pt"))
        images = torch.randn(2, 3, 32, 32)
        features = module.features(images)
        self.assertEqual(tuple(features.shape), (2, 8))
        self.assertTrue(torch.equal(module.head(features), module(images)))

    def test_modes_switch_and_statistics_move_in_training_alone(self):
        self.export("dropout")
        module = torch.jit.load(str(self.out / "network.pt"))
        images = torch.randn(4, 3, 32, 32)
        self.assertTrue(torch.equal(module.eval()(images), module(images)))
        before = module.trunk.norm.running_mean.clone()
        self.assertFalse(torch.equal(module.train()(images), module(images)))
        self.assertFalse(torch.equal(module.trunk.norm.running_mean, before))

    def test_laws_of_random_weights_are_those_of_pytorch(self):
        laws = self.export("plain")["initial"]
        self.assertEqual(sorted(laws), ["other.bias", "other.weight", "stem.bias", "stem.weight"])
        self.assertAlmostEqual(laws["other.weight"]["uniform"], 8**-0.5, delta=0.01)
        self.assertAlmostEqual(laws["stem.weight"]["uniform"], 27**-0.5, delta=0.01)
        self.assertTrue(self.export("dropout")["random_layers"])

    def test_weights_are_loaded_from_files_and_misfits_are_named(self):
        self.export("plain")
        weights = Path(self.folder.name) / "weights.pth"
        namespace = {}
        exec(MODELS, namespace)
        network = namespace["plain"]()
        torch.save({"state_dict": {f"module.{name}": value for name, value in network.state_dict().items()}}, weights)
        manifest = self.export("plain", "--weights", str(weights))
        self.assertTrue(manifest["pretrained"] and "initial" not in manifest)
        images = torch.randn(2, 3, 32, 32)
        scores = torch.jit.load(str(self.out / "network.pt")).eval()(images)
        self.assertTrue(torch.allclose(scores, network.eval()(images)))
        torch.save({"fc.weight": torch.zeros(7, 8)}, weights)
        with self.assertRaisesRegex(export_classifier.ExportError, r"`fc.weight` has shape \(7, 8\) instead of \(5, 8\)"):
            self.export("plain", "--weights", str(weights))
        torch.save({"unknown": torch.zeros(1)}, weights)
        with self.assertRaisesRegex(export_classifier.ExportError, "lacks stem.weight.* and has the unknown unknown"):
            self.export("plain", "--weights", str(weights))

    def test_what_cannot_be_trained_rightly_is_refused_with_its_reason(self):
        for name, reason in {
            "unscriptable": "cannot be scripted, and a trace would not do.*TorchScript says",
            "traced": "gives a TorchScript module already",
            "momentum": "`norm` averages over all batches",
            "tied": "are one tensor",
            "bias": "is not a linear layer with bias",
            "softmax": "scores are not the output of a linear layer",
            "nothing": "gives a int, not an nn.Module",
            "absent": "has no function `absent`",
        }.items():
            with self.subTest(name):
                with self.assertRaisesRegex(export_classifier.ExportError, f"(?s){reason}"):
                    self.export(name)
                self.assertFalse((self.out / "manifest.json").exists())
        with self.assertRaisesRegex(export_classifier.ExportError, "has no module `trunk.0` to be its stem"):
            self.export("plain", "--stem", "trunk.0")


if __name__ == "__main__":
    unittest.main()
