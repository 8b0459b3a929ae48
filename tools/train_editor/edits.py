"""What the editor learns: kinds of edits, their wordings, and the edits that are computed from pixels.

A kind is `rendered` if `crates/synth/examples/render_pairs.rs` makes exact pairs of it, and `computed` if a function here makes the
target from the source. If it is both, renders use the pairs and photographs use the function.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

Transform = Callable[[Tensor], Tensor]
"""Pictures `[B, 3, H, W]` in [0, 1] to pictures; values outside are clipped by the caller."""


@dataclass(frozen=True)
class Kind:
    """One kind of edit."""

    group: str
    wordings: tuple[str, ...]
    """Seen in training."""
    held_out: tuple[str, ...]
    """Only for evaluation."""
    rendered: bool = False
    computed: Transform | None = None


def luminance(x: Tensor) -> Tensor:
    weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    return (x * weights).sum(1, keepdim=True)


def tinted(*gains: float) -> Transform:
    return lambda x: x * torch.tensor(gains).view(1, 3, 1, 1)


def sepia(x: Tensor) -> Tensor:
    return luminance(x) * torch.tensor([1.08, 0.86, 0.62]).view(1, 3, 1, 1) + 0.03


def blurred(x: Tensor) -> Tensor:
    sigma = x.shape[2] / 24
    size = 2 * round(2.5 * sigma) + 1
    return gaussian_blur(x, [size, size], [sigma, sigma])


def sketch(x: Tensor) -> Tensor:
    """Dark lines where brightness changes, on white."""
    grey = luminance(x)
    across = torch.zeros_like(grey)
    across[..., 1:-1] = (grey[..., 2:] - grey[..., :-2]).abs()
    down = torch.zeros_like(grey)
    down[..., 1:-1, :] = (grey[..., 2:, :] - grey[..., :-2, :]).abs()
    return (1 - 2.5 * (across + down)).clamp(0, 1).expand(-1, 3, -1, -1)


def worded(templates: str, names: str) -> tuple[str, ...]:
    """Every template (separated by `|`) with every name in place of `{}`."""
    return tuple(template.strip().format(name.strip()) for template in templates.split("|") for name in names.split("|"))


MADE_OF = (
    "make it look like it is made of {}|make it look like {}|turn it into {}|make the object out of {}|"
    "change the material to {}|as if it were made of {}|make it {}|it should be made of {}"
)
MADE_OF_HELD_OUT = "change it into {}|make the object look like it is made of {}"
PAINTED = "make it {}|turn it {}|paint it {}|change the color to {}|color the object {}|make the object {}"
PAINTED_HELD_OUT = "paint the object {}|change its color to {}"
ON = "put it on {0}|place it on {0}|change the background to {0}|make it lie on {0}|as if it were on {0}"
ON_HELD_OUT = "put the object on {0}|lay it on {0}"


def material(names: str, held_out_names: str | None = None) -> Kind:
    return Kind("material", worded(MADE_OF, names), worded(MADE_OF_HELD_OUT, held_out_names or names), rendered=True)


def paint(name: str) -> Kind:
    return Kind("colour", worded(PAINTED, name), worded(PAINTED_HELD_OUT, name), rendered=True)


def ground(names: str, *also: str) -> Kind:
    return Kind("background", worded(ON, names) + also, worded(ON_HELD_OUT, names), rendered=True)


def whole(wordings: str, held_out: str, computed: Transform, rendered: bool = False) -> Kind:
    group = "light" if rendered else "picture"
    return Kind(group, worded(wordings, ""), worded(held_out, ""), rendered, computed)


KINDS: dict[str, Kind] = {
    "iron": material("iron|steel|metal|shiny metal"),
    "gold": material("gold|golden metal|polished gold"),
    "rust": material("rust|rusty metal|rusted iron"),
    "cardboard": material("cardboard|brown cardboard"),
    "paper": material("paper|white paper|plain paper"),
    "green_glass": material("glass|green glass|bottle glass"),
    "blue_plastic": material("plastic|blue plastic"),
    "mud": Kind(
        "material",
        worded("cover it in {}|cover it with {}|splash it with {}|smear it with {}|make it {}", "mud|dirt")
        + ("make it dirty", "make it muddy", "make the object dirty", "as if it were covered in mud"),
        ("cover the object with mud", "make the object muddy"),
        rendered=True,
    ),
    "red": paint("red"),
    "green": paint("green"),
    "blue": paint("blue"),
    "yellow": paint("yellow"),
    "black": paint("black"),
    "black_background": ground("a black background|black", "make the background black", "turn the background black"),
    "white_background": ground("a white background|white", "make the background white", "turn the background white"),
    "blue_background": ground("a blue background|blue", "make the background blue", "turn the background blue"),
    "grass": ground("grass|a lawn|green grass", "put grass under it"),
    "wood": ground("wood|a wooden table|wooden planks", "put wood under it"),
    "night": whole(
        "make it night|as if it were at night|turn day into night|night time|put it in moonlight",
        "make it look like it is night|change it to night time",
        tinted(0.43, 0.5, 0.67),
        rendered=True,
    ),
    "sunset": whole(
        "make it sunset|add warm sunset light|as if it were at sunset|put it in warm light|warm evening light",
        "make it look like it is sunset|add warm evening light",
        tinted(1.05, 0.83, 0.64),
        rendered=True,
    ),
    "cold_light": whole(
        "put it in cold light|add cold blue light|make the light cold|cold winter light|make the light blue",
        "change the light to cold blue|add cold winter light",
        tinted(0.86, 0.98, 1.13),
        rendered=True,
    ),
    "soft_light": Kind(
        "light",
        worded("{}|put it in {}|add {}|change the light to {}", "soft light|diffuse light")
        + ("remove the shadows", "make the light soft", "make the shadows disappear"),
        ("make the light diffuse", "make the shadows soft"),
        rendered=True,
    ),
    "darker": whole(
        "make it darker|dim the light|lower the brightness|make the photo darker|make the picture dark",
        "make the picture darker|dim the picture",
        lambda x: 0.5 * x,
    ),
    "brighter": whole(
        "make it brighter|turn up the light|raise the brightness|make the photo brighter|make the picture bright",
        "make the picture brighter|turn up the brightness",
        lambda x: 1 - 0.5 * (1 - x),
    ),
    "black_and_white": whole(
        "make it black and white|turn it into a grayscale photo|remove the colors|make the photo black and white|grayscale",
        "turn it into a black and white picture|make it grayscale",
        lambda x: luminance(x).expand(-1, 3, -1, -1),
    ),
    "sepia": whole(
        "make it sepia|turn it into an old photo|make it look like an old photograph|sepia photo|give it a sepia tone",
        "turn it into a sepia photo|make it look like an old photo",
        sepia,
    ),
    "negative": whole(
        "invert the colors|turn it into a negative|make it a photo negative|invert it|make it a negative",
        "invert the photo|turn it into a photo negative",
        lambda x: 1 - x,
    ),
    "blurry": whole(
        "make it blurry|blur the photo|put it out of focus|blur it|make the picture blurry",
        "make the photo blurry|blur the picture",
        blurred,
    ),
    "fog": whole(
        "add fog|make it foggy|put it in fog|cover the picture in mist|add mist",
        "make the picture foggy|cover it in fog",
        lambda x: 0.45 * x + 0.47,
    ),
    "vivid": whole(
        "make the colors vivid|make it more colorful|raise the saturation|saturate the colors|make the colors stronger",
        "make the picture more colorful|make the photo vivid",
        lambda x: luminance(x) + 1.9 * (x - luminance(x)),
    ),
    "contrast": whole(
        "raise the contrast|increase the contrast|make the contrast stronger|add contrast|make it more contrasty",
        "make the picture more contrasty|increase contrast",
        lambda x: 0.5 + 1.7 * (x - 0.5),
    ),
    "sketch": whole(
        "turn it into a pencil sketch|make it a drawing|make it a line drawing|draw it with a pencil|make it a sketch",
        "turn it into a drawing|make it look like a pencil sketch",
        sketch,
    ),
}


def compute(kind: str, pictures: Tensor) -> Tensor:
    """The target of a computed kind, clipped."""
    transform = KINDS[kind].computed
    assert transform is not None, f"{kind} is not computed from pixels"
    return transform(pictures).clamp(0, 1)
