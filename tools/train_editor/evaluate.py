"""Measures a bundle on pictures and wordings that were not used in training, and writes the card's numbers and grids.

    python evaluate.py BUNDLE --held-out FOLDER... --renders FOLDER... [--trashnet FOLDER] [--parity FOLDER]

Writes `measurements.json`, `grids/*.png` and the table between the marks in `CARD.md` into BUNDLE. `--renders` are the pairs of
training, for the classifier of edits. `--parity` writes pictures edited here, for the test that `augtrial` gives the same edits.
Distances are mean absolute differences in 8-bit levels.
"""

import argparse
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

import classifier as edit_classifier
from classifier import NAMES, Classifier
from data import Renders, Samples, build_tokenizer, load_photos, to_tensor
from edits import KINDS, compute
from picture import save_grid, to_bytes
from sampler import Editor

STEPS = 4
TEXT_GUIDANCE, IMAGE_GUIDANCE = 1.0, 1.0
FOLLOWED_FROM = 0.4
"""An instruction is followed if the edit reduces the distance to the target by this share."""
ADVERTISED_FROM = 0.2
REFUSED_BY_EYE = {"sketch"}
"""Kinds whose grids a person found wrong despite their numbers: white paper without lines is close to a sketch."""
BATCH = 32
MARKS = ("<!-- measured: begin -->", "<!-- measured: end -->")


@dataclass
class Pairs:
    """Sources of one size with the exact targets of one kind, `[N, 3, H, W]` in [0, 1]."""

    kind: str
    source: Tensor
    target: Tensor


def rendered_pairs(renders: Renders, kind: str, most: int) -> Pairs:
    count = min(most, len(renders))
    sources = to_tensor(renders.images[:count, 0])
    if not KINDS[kind].rendered:
        return Pairs(kind, sources, compute(kind, sources))
    places = [1 + edits.index(kind) for edits in renders.edits[:count]]
    return Pairs(kind, sources, to_tensor(renders.images[np.arange(count), places]))


def photo_pairs(photos: np.ndarray, kind: str) -> Pairs:
    sources = to_tensor(photos)
    return Pairs(kind, sources, compute(kind, sources))


def distance(a: Tensor, b: Tensor) -> Tensor:
    """`[N]`, levels."""
    return 255 * (a - b).abs().mean((1, 2, 3))


def edit(editor: Editor, pictures: Tensor, wordings: tuple[str, ...], **settings: float) -> Tensor:
    """Edits each picture with one of the wordings, in turn; a picture's number decides its noise."""
    settings = {"steps": STEPS, "text_guidance": TEXT_GUIDANCE, "image_guidance": IMAGE_GUIDANCE} | settings
    parts = []
    for first in range(0, len(pictures), BATCH):
        numbers = range(first, min(first + BATCH, len(pictures)))
        texts = [wordings[number % len(wordings)] for number in numbers]
        parts.append(editor.edit(pictures[first : first + BATCH], texts, seeds=list(numbers), **settings))
    return torch.cat(parts)


def measure(editor: Editor, judge: Classifier, pairs: Pairs, wordings: tuple[str, ...], **settings: float) -> dict:
    made = edit(editor, pairs.source, wordings, **settings)
    before, after = distance(pairs.source, pairs.target), distance(made, pairs.target)
    return {
        "before": round(before.mean().item(), 2),
        "after": round(after.mean().item(), 2),
        "reduction": round(1 - (after.mean() / before.mean()).item(), 3),
        "improved": round((after < before).float().mean().item(), 3),
        "recognised": round((judge.recognise(pairs.source, made) == NAMES.index(pairs.kind)).float().mean().item(), 3),
        "target_recognised": round(
            (judge.recognise(pairs.source, pairs.target) == NAMES.index(pairs.kind)).float().mean().item(), 3
        ),
    }


def mean_of(rows: dict[str, dict], key: str) -> float:
    return round(float(np.mean([row[key] for row in rows.values()])), 3)


def trade_off(editor: Editor, judge: Classifier, renders: Renders, scenes: int) -> list[dict]:
    """The effect of guidance and steps over all kinds: the paper's curve, with exact targets in place of CLIP."""
    settings = [(STEPS, text, 1.0) for text in (1.0, 1.5, 2.0, 3.0, 5.0, 7.5)]
    settings += [(STEPS, text, image) for image in (1.2, 1.5) for text in (1.5, 3.0)]
    settings += [(steps, 1.0, 1.0) for steps in (1, 2, 8)]
    rows = []
    for steps, text, image in settings:
        reductions, changes, hits = [], [], []
        for kind, about in KINDS.items():
            pairs = rendered_pairs(renders, kind, scenes)
            source, target = pairs.source, pairs.target
            made = edit(editor, source, about.held_out, steps=steps, text_guidance=text, image_guidance=image)
            reductions.append(1 - (distance(made, target).mean() / distance(source, target).mean()).item())
            changes.append((distance(made, source).mean() / distance(target, source).mean()).item())
            hits.append((judge.recognise(source, made) == NAMES.index(kind)).float().mean().item())
        rows.append(
            {
                "steps": steps,
                "text_guidance": text,
                "image_guidance": image,
                "reduction": round(float(np.mean(reductions)), 3),
                "change_relative_to_target": round(float(np.mean(changes)), 3),
                "recognised": round(float(np.mean(hits)), 3),
            }
        )
    return rows


def without_instruction(editor: Editor, pictures: Tensor) -> dict:
    change = distance(edit(editor, pictures, ("",)), pictures)
    return {"mean_levels": round(change.mean().item(), 2), "largest_levels": round(change.max().item(), 2)}


def seconds_per_edit(editor: Editor, sizes: list[tuple[int, int]]) -> dict[str, float]:
    """The shortest of a few runs, as an estimate for an idle machine."""
    found = {}
    for width, height in sizes:
        pictures = torch.rand(12, 3, height, width)
        secs = []
        for _ in range(4):
            started = time.perf_counter()
            edit(editor, pictures, ("make it red",))
            secs.append((time.perf_counter() - started) / len(pictures))
        found[f"{width}x{height}"] = round(min(secs), 4)
    return found


GRIDS = {"object": ("material", "colour"), "scene": ("background", "light"), "picture": ("picture",)}


def write_grids(editor: Editor, renders: Renders, photos: np.ndarray | None, folder: Path, scenes: int = 3) -> None:
    """Held-out scenes with two rows each: above, the source and its edits; below, the exact targets."""
    folder.mkdir(exist_ok=True)
    for name, groups in GRIDS.items():
        kinds = [kind for kind, about in KINDS.items() if about.group in groups]
        made, targets = [], []
        for kind in kinds:
            pairs = rendered_pairs(renders, kind, scenes)
            made.append(edit(editor, pairs.source, KINDS[kind].held_out[:1]))
            targets.append(pairs.target)
        sources = to_tensor(renders.images[:scenes, 0])
        rows = []
        for scene in range(scenes):
            rows.append([sources[scene], *(column[scene] for column in made)])
            rows.append([torch.ones_like(sources[scene]), *(column[scene] for column in targets)])
        save_grid(rows, folder / f"renders-{name}.png")
        if photos is not None:
            pictures = to_tensor(photos[2 : 2 + scenes])
            columns = [pictures, *(edit(editor, pictures, KINDS[kind].held_out[:1]) for kind in kinds)]
            save_grid([[column[row] for column in columns] for row in range(len(pictures))], folder / f"photos-{name}.png")


def write_parity(editor: Editor, renders: Renders, folder: Path) -> None:
    """Writes a few edits by this sampler, for `crates/torch/tests/it/editor_small.rs`."""
    folder.mkdir(parents=True, exist_ok=True)
    cases = [("iron", 1.0, 1.0), ("night", 1.5, 1.2), ("black_background", 3.0, 1.5)]
    facts = []
    for number, (kind, text, image) in enumerate(cases):
        source = to_tensor(renders.images[number : number + 1, 0])
        wording = KINDS[kind].held_out[0]
        settings = {"steps": STEPS, "text_guidance": text, "image_guidance": image}
        made = editor.edit(source, [wording], seeds=[number], **settings)
        for name, picture in (("source", source), ("edited", made)):
            Image.fromarray(to_bytes(picture[0])).save(folder / f"{kind}-{name}.png")
        facts.append({"kind": kind, "instruction": wording, "seed": number, **settings})
    record = {"made_by": "tools/train_editor/evaluate.py", "torch": torch.__version__, "cases": facts}
    (folder / "cases.json").write_text(json.dumps(record, indent=2) + "\n")


def table(measured: dict) -> list[str]:
    """The card's table: kinds by group, with their measurements and verdicts."""
    lines = [
        "| kind | for example | renders 64x48 | recognised | renders 96x72 | photographs | verdict |",
        "|---|---|---|---|---|---|---|",
    ]
    small, large = measured["renders"].values()
    photos = measured.get("photographs", {})
    for kind in NAMES_BY_GROUP:
        photo = f"{photos[kind]['reduction']:.0%}" if kind in photos else "no exact target"
        lines.append(
            f"| {kind} | {KINDS[kind].wordings[0]} | {small[kind]['reduction']:.0%} | {small[kind]['recognised']:.0%} | "
            f"{large[kind]['reduction']:.0%} | {photo} | {measured['verdicts'][kind]} |"
        )
    return lines


def summary(measured: dict) -> list[str]:
    """A summary of the numbers, and the effect of guidance and steps."""
    facts, pictures = measured["summary"], measured["pictures"]
    counts = ", ".join(f"{count} {name}" for name, count in pictures.items())
    empty = ", ".join(f"{row['mean_levels']} ({name})" for name, row in measured["without_instruction"].items())
    secs = ", ".join(f"{secs} s at {size}" for size, secs in measured["seconds_per_edit"].items() if "x" in size)
    small = next(iter(measured["renders"]))
    lines = [
        f"Pictures of each kind: {counts}.",
        "",
        f"- {facts['followed']} of {facts['kinds']} kinds are followed, {facts['materials_followed']} of them material changes.",
        f"- On renders of {small}, the right kind is recognised in {facts['recognised_followed']:.0%} of edits of kinds that are "
        f"followed, and in {facts[f'recognised_{small}']:.0%} of all; the classifier is right on {facts['targets_recognised']:.0%} "
        "of exact targets.",
        f"- An empty instruction changes a picture by so many levels of 255 on average: {empty}. The round trip changes nothing.",
        f"- Wordings that training used, in place of held-out ones, give a mean reduction of "
        f"{np.mean(list(measured['renders_with_training_wordings'].values())):.0%} instead of {facts[f'reduction_{small}']:.0%}.",
        f"- An edit takes {secs}; {measured['seconds_per_edit']['threads']} threads, load average "
        f"{measured['seconds_per_edit']['load_average']}, batches of 12.",
        "",
        "Guidance and steps, on all kinds; change is that of the picture over that of the exact target:",
        "",
        "| steps | text guidance | image guidance | reduction | change | recognised |",
        "|---|---|---|---|---|---|",
    ]
    for row in measured["trade_off"]:
        lines.append(
            f"| {row['steps']} | {row['text_guidance']} | {row['image_guidance']} | {row['reduction']:.0%} | "
            f"{row['change_relative_to_target']:.2f} | {row['recognised']:.0%} |"
        )
    return lines


GROUPS = ("material", "colour", "background", "light", "picture")
NAMES_BY_GROUP = sorted(NAMES, key=lambda kind: GROUPS.index(KINDS[kind].group))


def verdict(kind: str, rows: list[dict]) -> str:
    if kind in REFUSED_BY_EYE:
        return "not advertised (by eye)"
    reduction = min(row["reduction"] for row in rows)
    recognised = min(row["recognised"] for row in rows)
    if reduction >= FOLLOWED_FROM and recognised >= 0.5:
        return "followed"
    return "in part" if reduction >= ADVERTISED_FROM else "not advertised"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--held-out", type=Path, nargs="+", required=True, help="pairs with every edit of every scene")
    parser.add_argument("--renders", type=Path, nargs="+", required=True, help="pairs of training")
    parser.add_argument("--trashnet", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("."), help="folder for resized photographs")
    parser.add_argument("--parity", type=Path)
    parser.add_argument("--judge", type=Path, help="keep the classifier of edits in this file")
    parser.add_argument("--pictures", type=int, default=66, help="at most so many a kind")
    parser.add_argument("--scenes", type=int, default=4, help="held-out scenes for the trade-off of guidance")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    manifest = json.loads((arguments.bundle / "manifest.json").read_text())
    editor = Editor.of_bundle(arguments.bundle, manifest["text"]["length"])
    held_out = {f"{renders.size[0]}x{renders.size[1]}": renders for renders in map(Renders, arguments.held_out)}
    training = [Renders(folder) for folder in arguments.renders]
    sets, photos = [], None
    for size in sorted({renders.size for renders in training}):
        seen = load_photos(arguments.trashnet, "train", size, arguments.cache) if arguments.trashnet else None
        sets.append(Samples([renders for renders in training if renders.size == size], seen, build_tokenizer(), 1))
    if arguments.trashnet:
        photos = load_photos(arguments.trashnet, "test", (96, 72), arguments.cache)[: arguments.pictures]

    judge = edit_classifier.trained(sets, arguments.judge)
    measured: dict = {
        "bundle": manifest["source"]["revision"],
        "settings": {
            "scheduler": "euler",
            "steps": STEPS,
            "text_guidance": TEXT_GUIDANCE,
            "image_guidance": IMAGE_GUIDANCE,
        },
        "pictures": {name: min(len(renders), arguments.pictures) for name, renders in held_out.items()}
        | ({"photographs": len(photos)} if photos is not None else {}),
        "renders": {},
    }
    for name, renders in held_out.items():
        measured["renders"][name] = {
            kind: measure(editor, judge, rendered_pairs(renders, kind, arguments.pictures), about.held_out)
            for kind, about in KINDS.items()
        }
    smallest = min(held_out, key=lambda name: held_out[name].size)
    measured["renders_with_training_wordings"] = {
        kind: measure(editor, judge, rendered_pairs(held_out[smallest], kind, 24), about.wordings)["reduction"]
        for kind, about in KINDS.items()
    }
    pictures = {name: to_tensor(renders.images[: arguments.pictures, 0]) for name, renders in held_out.items()}
    if photos is not None:
        measured["photographs"] = {
            kind: measure(editor, judge, photo_pairs(photos, kind), about.held_out)
            for kind, about in KINDS.items()
            if about.computed
        }
        pictures["photographs"] = to_tensor(photos)
    measured["without_instruction"] = {name: without_instruction(editor, some) for name, some in pictures.items()}
    tables = [*measured["renders"].values(), measured.get("photographs", {})]
    measured["verdicts"] = {kind: verdict(kind, [rows[kind] for rows in tables if kind in rows]) for kind in KINDS}
    followed = {kind for kind, value in measured["verdicts"].items() if value == "followed"}
    measured["summary"] = {
        "kinds": len(KINDS),
        "followed": len(followed),
        "materials_followed": sum(KINDS[kind].group == "material" for kind in followed),
        "recognised_followed": mean_of(
            {kind: row for kind, row in measured["renders"][smallest].items() if kind in followed}, "recognised"
        ),
        **{f"recognised_{name}": mean_of(rows, "recognised") for name, rows in measured["renders"].items()},
        **{f"reduction_{name}": mean_of(rows, "reduction") for name, rows in measured["renders"].items()},
        "targets_recognised": mean_of(measured["renders"][smallest], "target_recognised"),
    }
    measured["trade_off"] = trade_off(editor, judge, held_out[smallest], arguments.scenes)
    measured["seconds_per_edit"] = {
        "threads": arguments.threads,
        "load_average": round(os.getloadavg()[0], 1),
        **seconds_per_edit(editor, [(64, 48), (96, 72), (128, 96)]),
    }

    (arguments.bundle / "measurements.json").write_text(json.dumps(measured, indent=1) + "\n")
    write_grids(editor, held_out[smallest], photos, arguments.bundle / "grids")
    if arguments.parity:
        write_parity(editor, held_out[smallest], arguments.parity)
    card = arguments.bundle / "CARD.md"
    if card.exists():
        start, end = MARKS
        text = "\n".join([*table(measured), "", *summary(measured)])
        before, rest = card.read_text().split(start)
        card.write_text(f"{before}{start}\n{text}\n{end}{rest.split(end)[1]}")
    print(json.dumps(measured["summary"], indent=1))


if __name__ == "__main__":
    main()
