#!/usr/bin/env python3
"""Makes the subsets of Inter that reports embed: Latin, Greek letters of statistics, and the signs that reports use.

Needs fonttools 4.68.0 and brotli 1.2.1. Characters outside the subset appear in a font of the reader's machine.

    python tools/subset_fonts.py crates/report/assets/fonts
"""

import sys
from pathlib import Path

from fontTools import subset

# ASCII, Latin-1, Latin Extended-A; then dashes, quotes, ellipsis, minus, ±, ×, arrows, ≤ ≥, Greek letters.
RANGES = [(0x20, 0x7E), (0xA0, 0x17F)]
SIGNS = "–—‘’“”…−±×÷→←↓↑≤≥≠≈χαβδμσΔ²‰•·"


def main(folder: Path) -> None:
    codes = [code for low, high in RANGES for code in range(low, high + 1)] + [ord(sign) for sign in SIGNS]
    for weight in ["Regular", "SemiBold"]:
        options = subset.Options()
        options.flavor = "woff2"
        options.layout_features = ["kern", "mark", "mkmk", "ccmp"]
        options.desubroutinize = True
        options.recalc_timestamp = False
        font = subset.load_font(folder / f"Inter-{weight}.otf", options)
        subsetter = subset.Subsetter(options)
        subsetter.populate(unicodes=codes)
        subsetter.subset(font)
        subset.save_font(font, folder / f"Inter-{weight}.subset.woff2", options)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
