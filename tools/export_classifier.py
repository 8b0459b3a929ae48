"""Turns a classifier of timm, torchvision or your own code into a folder that `[classifier] network` names (docs/networks.md).

    python tools/export_classifier.py timm/convnext_atto models/convnext-atto --pretrained --license apache-2.0
    python tools/export_classifier.py torchvision/mobilenet_v3_small models/mobilenet --pretrained
    python tools/export_classifier.py models.py:build models/mine --weights mine.safetensors

The first argument is `timm/NAME`, `torchvision/NAME`, or `FILE.py:FUNCTION`, where the function takes no arguments and returns an
nn.Module. Needs the torch that augtrial runs (2.13). OUT gets network.pt and manifest.json.

The contract of network.pt, a *scripted* module (a trace would freeze dropout and batch normalization as they were):
    features(images f32 [N, 3, H, W], normalized) -> f32 [N, F]: everything before the last linear layer
    forward(images) -> f32 [N, classes]: the head, a linear layer, of those features
    children `trunk` and `head`; `trunk` has the names of the exported network, whose last linear layer is an identity in it

Without trained weights, every trial draws its own. How, is measured: the network is built several times; a tensor that comes out the same
each time (a constant, a fixed position code) stays as it is; any other is drawn from a normal or a uniform law of the measured spread.
"""

import argparse
import hashlib
import importlib.util
import json
import sys
import warnings
from pathlib import Path

import torch
from torch import nn

FORMAT, VERSION = "augtrial-network", 1
TORCH_MINOR = "2.13"
# How often a network without trained weights is built to see how its tensors are drawn.
BUILDS = 6
IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# A side that no image has: every size is too small.
NO_SIDE_PX = 1 << 20
# Scripted and eager may order sums differently.
TOLERANCE = 1e-4


class ExportError(Exception):
    """Why a network cannot be exported, and what to do."""


class Classifier(nn.Module):
    """The trunk and the head of a network, apart."""

    def __init__(self, trunk, head):
        super().__init__()
        self.trunk, self.head = trunk, head

    @torch.jit.export
    def features(self, images):
        return self.trunk(images)

    def forward(self, images):
        return self.head(self.trunk(images))


class Source:
    """Where a network comes from: how to build it, and what its maker says of it."""

    def __init__(self, spec, pretrained):
        self.spec, self.pretrained = spec, pretrained
        self.mean, self.deviation, self.size = IMAGENET_MEAN, IMAGENET_DEVIATION, (224, 224)
        self.license = self.weights = self.head = self.stem = None
        self.name = spec
        kind, _, name = spec.partition("/")
        if ":" in spec:
            self.load_own(spec)
        elif kind == "timm":
            self.load_timm(name)
        elif kind == "torchvision":
            self.load_torchvision(name)
        else:
            raise ExportError(f"`{spec}` is none of timm/NAME, torchvision/NAME and FILE.py:FUNCTION")

    def load_own(self, spec):
        path, _, function = spec.rpartition(":")
        if self.pretrained:
            raise ExportError("--pretrained is for timm and torchvision; give the weights of your own network with --weights FILE")
        if not Path(path).is_file():
            raise ExportError(f"there is no file {path}")
        module = importlib.util.module_from_spec(found := importlib.util.spec_from_file_location(Path(path).stem, path))
        sys.path.insert(0, str(Path(path).resolve().parent))
        found.loader.exec_module(module)
        if not hasattr(module, function):
            raise ExportError(f"{path} has no function `{function}`")
        self.build_once = lambda: getattr(module, function)()
        self.made_by = f"{Path(path).name} (SHA-256 {sha256(Path(path))[:12]}), torch {torch.__version__}"
        self.name = f"{Path(path).name}:{function}"

    def load_timm(self, name):
        import timm

        if not timm.is_model(name):
            near = timm.list_models(f"*{name.split('.')[0]}*")[:5]
            raise ExportError(f"timm has no model `{name}`" + (f"; it has {', '.join(near)}" if near else ""))
        timm.layers.set_scriptable(True)
        self.build_once = lambda: timm.create_model(name, pretrained=self.pretrained, scriptable=True)
        self.made_by = f"timm {timm.__version__}, torch {torch.__version__}"

    def load_torchvision(self, name):
        import torchvision

        try:
            weights = torchvision.models.get_model_weights(name).DEFAULT
        except ValueError as error:
            raise ExportError(f"torchvision has no classifier `{name}`") from error
        self.build_once = lambda: torchvision.models.get_model(name, weights=weights if self.pretrained else None)
        self.made_by = f"torchvision {torchvision.__version__}, torch {torch.__version__}"
        if self.pretrained:
            self.weights = str(weights)

    def build(self, seed=0):
        """The network, in fp32 on the CPU. Also takes over what a timm model says of itself."""
        torch.manual_seed(seed)
        try:
            network = self.build_once()
        except OSError as error:
            if not self.pretrained:
                raise
            said = str(error).strip().splitlines()[0]
            raise ExportError(
                f"the trained weights of {self.spec} cannot be fetched: {said} Bring the file from elsewhere, and give it with --weights FILE"
            ) from error
        if isinstance(network, torch.jit.ScriptModule):
            raise ExportError(f"{self.spec} gives a TorchScript module already: give the nn.Module that it was made of")
        if not isinstance(network, nn.Module):
            raise ExportError(f"{self.spec} gives a {type(network).__name__}, not an nn.Module")
        said = getattr(network, "pretrained_cfg", None)
        if isinstance(said, dict) and said.get("input_size"):
            self.mean, self.deviation = tuple(said["mean"]), tuple(said["std"])
            self.size = tuple(said["input_size"][1:])
            self.head = said.get("classifier") if isinstance(said.get("classifier"), str) else None
            stem = said.get("first_conv")
            self.stem = [stem] if isinstance(stem, str) else None
            self.license = said.get("license")
            if self.pretrained:
                self.weights = said.get("hf_hub_id") or said.get("url") or said.get("tag")
        return network.float().cpu()


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def load_weights(network, path):
    """Loads a state dict: safetensors, or a .pth file of which only tensors are read."""
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        state = load_file(path)
    else:
        state = torch.load(path, map_location="cpu", weights_only=True)
    for key in ("state_dict", "model"):
        state = state.get(key, state) if isinstance(state.get(key), dict) else state
    state = {name.removeprefix("module."): value for name, value in state.items()}
    own = network.state_dict()
    head = [name for name in own if name in state and own[name].shape != state[name].shape]
    if head:
        raise ExportError(f"{path}: `{head[0]}` has shape {tuple(state[head[0]].shape)} instead of {tuple(own[head[0]].shape)}")
    missing, unknown = network.load_state_dict(state, strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or unknown:
        told = [f"lacks {', '.join(missing[:5])}" if missing else "", f"has the unknown {', '.join(unknown[:5])}" if unknown else ""]
        raise ExportError(f"{path} does not fit the network: it " + " and ".join(filter(None, told)))


def find_head(network, images):
    """Name of the linear layer whose output is the network's."""
    seen = {}
    hooks = [
        module.register_forward_hook(lambda _, __, output, name=name: seen.__setitem__(name, output))
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear)
    ]
    with torch.no_grad():
        scores = network.eval()(images)
    for hook in hooks:
        hook.remove()
    if not torch.is_tensor(scores) or scores.dim() != 2:
        raise ExportError("the network does not give one row of scores an image")
    names = [name for name, output in seen.items() if output.shape == scores.shape and torch.equal(output, scores)]
    if not names:
        raise ExportError(
            "the network's scores are not the output of a linear layer (nn.Linear): augtrial replaces that layer for other classes. "
            "Put one at the end, or name it with --head"
        )
    return names[-1]


def apart(network, head_name):
    """The network as trunk and head."""
    parent_name, _, child = head_name.rpartition(".")
    try:
        parent = network.get_submodule(parent_name)
        head = network.get_submodule(head_name)
    except AttributeError as error:
        raise ExportError(f"the network has no module `{head_name}`") from error
    if not isinstance(head, nn.Linear) or head.bias is None:
        raise ExportError(f"`{head_name}` is not a linear layer with bias")
    setattr(parent, child, nn.Identity())
    plain = nn.Linear(head.in_features, head.out_features)
    plain.load_state_dict(head.state_dict())
    return Classifier(network, plain)


def script(classifier, images):
    """The scripted module, whose modes switch as those of the original."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scripted = torch.jit.script(classifier)
    except Exception as error:  # TorchScript raises errors of many types
        reason = str(error).strip().splitlines()
        raise ExportError(
            "the network cannot be scripted, and a trace would not do: it would freeze dropout and batch normalization as they were "
            "when it was traced, so that training would not be training. TorchScript says:\n    "
            + "\n    ".join(reason[:12])
            + "\nAnnotate what it names, or leave it out of `forward`"
        ) from error
    for mode in (False, True):
        classifier.train(mode)
        scripted.train(mode)
        results = []
        for module in (classifier, scripted):
            state = {name: value.clone() for name, value in module.state_dict().items()}
            torch.manual_seed(1)
            with torch.no_grad(), torch.jit.optimized_execution(False):
                results.append(module(images))
            module.load_state_dict(state)
        largest = results[0].abs().max().clamp(min=1e-6)
        if not (results[0] - results[1]).abs().max() <= TOLERANCE * largest:
            raise ExportError(f"the scripted network gives other scores than the network in {'training' if mode else 'evaluation'} mode")
    return scripted.eval()


def runs(module, side, batch, train):
    """Whether the module takes square images of this side, and all running statistics stay finite."""
    state = {name: value.clone() for name, value in module.state_dict().items()}
    module.train(train)
    try:
        with torch.no_grad():
            features = module.features(torch.randn(batch, 3, *side))
        finite = all(value.isfinite().all() for value in module.state_dict().values())
        return bool(features.isfinite().all() and finite)
    except Exception:  # whatever a layer says of too small an image
        return False
    finally:
        module.load_state_dict(state)
        module.eval()


def sizes(classifier, size):
    """Which images it takes: whether only those of `size`, the smallest side, and the largest side of a lone image that spoils training."""
    height, width = size
    fixed = not runs(classifier, (height + 32, width + 32), 2, False)
    sides = [1 << power for power in range(13) if 1 << power <= min(size)]
    least = min(size) if fixed else next((side for side in sides if runs(classifier, (side, side), 2, False)), min(size))
    lone = 0
    if any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in classifier.modules()):
        spoiled = [side for side in ([min(size)] if fixed else sides) if not runs(classifier, (side, side), 1, True)]
        lone = max(spoiled, default=0)
        if not runs(classifier, size, 1, True):
            lone = NO_SIDE_PX
    return {"fixed": fixed, "least_px": least}, lone


def measure(classifier, size, lone):
    from torch.utils.flop_counter import FlopCounterMode

    height, width = size
    images = torch.randn(1, 3, height, width)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        classifier.eval()(images)
    parameters = {value.data_ptr() for value in classifier.parameters()}
    kept = {}

    def keep(tensor):
        if tensor.data_ptr() not in parameters:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    batch = 2
    classifier.train()
    state = {name: value.clone() for name, value in classifier.state_dict().items()}
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        scores = classifier(torch.randn(batch, 3, height, width))
    del scores
    classifier.load_state_dict(state)
    classifier.eval()
    return {
        "forward_gmacs": counter.get_total_flops() / 2e9,
        "parameters": sum(value.numel() for value in classifier.parameters()),
        "output_bytes_per_pixel": max(1, round(sum(kept.values()) / (batch * height * width))),
        "lone_image_px": lone,
    }


def initial_laws(source, head_name):
    """How the tensors of a network without trained weights are drawn, by building it several times."""
    states = [source.build(seed).state_dict() for seed in range(BUILDS)]
    laws = {}
    for name, first in states[0].items():
        values = [state[name] for state in states]
        if not first.is_floating_point() or all(torch.equal(first, other) for other in values[1:]):
            continue
        if name.startswith(f"{head_name}."):
            continue
        drawn = torch.cat([value.flatten() for value in values]).double()
        spread, largest = drawn.square().mean().sqrt().item(), drawn.abs().max().item()
        # Of a uniform law, the mean fourth power is 1.8 times the squared variance; of a normal one, 3 times.
        shape = (drawn.pow(4).mean() / drawn.square().mean().square()).item()
        # The largest of n values of a uniform law lies below its bound, on average by one part in n + 1.
        laws[name] = {"uniform": largest * (1 + 1 / len(drawn))} if shape < 2.2 else {"normal": spread}
    return laws


def check(network):
    """Refuses what training with augtrial would get silently wrong."""
    shared = {}
    for name, value in network.named_parameters(remove_duplicate=False):
        other = shared.setdefault(id(value), name)
        if other != name:
            raise ExportError(f"`{name}` and `{other}` are one tensor: an optimizer that is given both would move it twice")
    for name, module in network.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            if module.momentum is None:
                raise ExportError(f"`{name}` averages over all batches (momentum=None): set a momentum")
            if not module.track_running_stats:
                raise ExportError(f"`{name}` keeps no running statistics: its results would depend on the other images of a batch")


def random_layers(classifier, images):
    """Whether two passes in training mode from equal states differ."""
    results = []
    for seed in (1, 2):
        state = {name: value.clone() for name, value in classifier.state_dict().items()}
        torch.manual_seed(seed)
        classifier.train()
        with torch.no_grad():
            results.append(classifier.features(images))
        classifier.load_state_dict(state)
    classifier.eval()
    return not torch.equal(results[0], results[1])


def export(arguments):
    if not torch.__version__.startswith(TORCH_MINOR):
        raise ExportError(f"this is PyTorch {torch.__version__}, and augtrial runs {TORCH_MINOR}: pip install 'torch=={TORCH_MINOR}.*'")
    source = Source(arguments.network, arguments.pretrained)
    network = source.build()
    size = tuple(arguments.size) if arguments.size else source.size
    images = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    if arguments.weights:
        load_weights(network, arguments.weights)
    check(network)
    head = arguments.head or source.head
    if not head or not isinstance(network.eval().get_submodule(head), nn.Linear):
        head = find_head(network, images)
    stem = [name for name in arguments.stem.split(",") if name] if arguments.stem is not None else source.stem or []
    for name in stem:
        try:
            network.get_submodule(name)
        except AttributeError as error:
            raise ExportError(f"the network has no module `{name}` to be its stem") from error
    trained = bool(arguments.pretrained or arguments.weights)
    laws = {} if trained else initial_laws(source, head)
    classifier = apart(network, head)
    classifier.requires_grad_(True)
    features = classifier.eval().features(images)
    if features.dim() != 2 or features.shape[1] != classifier.head.in_features:
        raise ExportError(f"without `{head}` the network gives {tuple(features.shape)} instead of one row of features an image")
    accepted, lone = sizes(classifier, size)
    measured = measure(classifier, size, lone)
    draws = random_layers(classifier, images)
    scripted = script(classifier, images)

    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / "network.pt"
    torch.jit.save(scripted, str(path))
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "torch": torch.__version__.split("+")[0],
        "source": {
            "name": source.name,
            "made_by": source.made_by,
            "license": arguments.license or source.license,
            "weights": f"{arguments.weights.name}, SHA-256 {sha256(arguments.weights)}" if arguments.weights else source.weights,
        },
        "pretrained": trained,
        "input": {
            "width_px": size[1],
            "height_px": size[0],
            **accepted,
            "mean": list(arguments.mean or source.mean),
            "deviation": list(arguments.std or source.deviation),
        },
        "head": {"name": head, "features": classifier.head.in_features, "classes": classifier.head.out_features},
        "stem": stem,
        "random_layers": draws,
        "measured": measured,
        "file": {"name": path.name, "bytes": path.stat().st_size, "sha256": sha256(path)},
    }
    if laws:
        manifest["initial"] = laws
    # Last: a folder without a manifest is no network.
    (arguments.out / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    return manifest


def parse(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", help="timm/NAME, torchvision/NAME or FILE.py:FUNCTION")
    parser.add_argument("out", type=Path, help="folder to write")
    parser.add_argument("--pretrained", action="store_true", help="with the trained weights of timm or torchvision")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="a state dict to start from: .safetensors, .pth or .pt")
    parser.add_argument("--size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"), help="of the input, px; default: the model's own, or 224 224")
    parser.add_argument("--mean", type=float, nargs=3, help="of R, G and B in 0 to 1; default: the model's own, or ImageNet's")
    parser.add_argument("--std", type=float, nargs=3, help="likewise")
    parser.add_argument("--head", metavar="MODULE", help="the last linear layer; default: the one whose output is the network's")
    parser.add_argument("--stem", metavar="MODULES", help='what `freeze = "stem"` freezes, separated by commas; default: timm\'s first convolution')
    parser.add_argument("--license", help="of the weights, for the record")
    arguments = parser.parse_args(argv)
    if arguments.weights and not arguments.weights.is_file():
        parser.error(f"there is no file {arguments.weights}")
    return arguments


def main():
    arguments = parse()
    try:
        manifest = export(arguments)
    except ExportError as error:
        sys.exit(f"error: {error}")
    head, measured = manifest["head"], manifest["measured"]
    print(
        f"{arguments.out}: {manifest['source']['name']}, {measured['parameters'] / 1e6:.1f} M parameters, "
        f"{measured['forward_gmacs']:.2f} G multiply-adds, head `{head['name']}` on {head['features']} features"
    )


if __name__ == "__main__":
    main()
