"""Recomputes the tables of a design's report from its runs, and compares every number.

    python tools/check_design.py EXPERIMENT.toml REPORT_FOLDER

`tables/runs.csv` of the report has the metric of every run. From it alone, with numpy and scipy, this script computes every cell's
means and gains (paired t test, Holm over cells), main effects and interactions (Holm over effects), and Shapley's shares of the
difference between the published and the reference cell by walking every order of the factors. It reads which factors, levels and
contrasts there are from the experiment file. It prints what it compared and how far apart the numbers are, and fails if one differs
by more than 1e-9 or is printed differently.

Made with numpy 2.4.6 and scipy 1.17.1.
"""

import argparse
import csv
import itertools
import pathlib
import sys
import tomllib

import numpy as np
from scipy import stats

MOST_APART = 1e-9


def holm(p_values):
    """Holm's adjusted p values. One that is nan counts as 1."""
    p = np.nan_to_num(np.asarray(p_values, float), nan=1.0)
    order = np.argsort(p)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p)))))
    return adjusted


def estimate(values, alpha):
    """Mean and t interval over seeds."""
    low, high = stats.t.interval(1 - alpha, len(values) - 1, np.mean(values), stats.sem(values))
    return [float(np.mean(values)), float(low), float(high)]


class Design:
    def __init__(self, experiment, folder):
        self.file = tomllib.loads(pathlib.Path(experiment).read_text())
        self.tables = pathlib.Path(folder) / "tables"
        self.alpha = self.file["study"].get("alpha", 0.05)
        self.levels = {f["name"]: [level["name"] for level in f["levels"]] for f in self.file["factor"]}
        design = self.file.get("design", {})
        self.reference = {name: design.get("reference", {}).get(name, levels[0]) for name, levels in self.levels.items()}
        self.published = {**self.reference, **design["published"]} if "published" in design else None
        self.cells = [dict(zip(self.levels, cell)) for cell in itertools.product(*self.levels.values())]
        rows = self.read("runs")
        self.metric = list(rows[0])[-1]
        self.runs = {}
        for row in rows:
            cell = tuple(row[name] for name in self.levels)
            self.runs.setdefault((cell, row["arm"]), {})[int(row["seed"])] = float(row[self.metric])
        arms = self.file["arm"]
        control = next((arm["name"] for arm in arms if arm.get("role") == "control"), arms[0]["name"])
        contrasts = self.file.get("contrast") or [
            {"treatment": arm["name"], "control": control} for arm in arms if arm["name"] != control
        ]
        self.contrasts = [(contrast["treatment"], contrast["control"]) for contrast in contrasts]

    def read(self, name):
        with open(self.tables / f"{name}.csv", newline="") as file:
            return list(csv.DictReader(file))

    def gains(self, contrast, cell):
        """Treatment less control of every seed that has both."""
        treatment, control = (self.runs.get((tuple(cell.values()), arm), {}) for arm in contrast)
        return {seed: treatment[seed] - control[seed] for seed in sorted(treatment.keys() & control.keys())}

    def complete(self, contrast):
        return sorted(set.intersection(*(set(self.gains(contrast, cell)) for cell in self.cells)))


def cells(design):
    for contrast in design.contrasts:
        p_values = [stats.ttest_1samp(list(design.gains(contrast, cell).values()), 0).pvalue for cell in design.cells]
        for cell, p, adjusted in zip(design.cells, p_values, holm(p_values)):
            means = [np.mean(list(design.runs[tuple(cell.values()), arm].values())) for arm in contrast]
            gains = list(design.gains(contrast, cell).values())
            yield {
                "control_mean": means[1], "treatment_mean": means[0], "pairs": len(gains),
                **dict(zip(["gain", "gain_low", "gain_high"], estimate(gains, design.alpha))), "p": p, "holm_p": adjusted,
            }


def effect(design, contrast, switches):
    """Of every complete seed: the gain, summed over cells with the signs of the switched levels, averaged over the others."""
    averaged = np.prod([len(levels) for name, levels in design.levels.items() if name not in switches])
    values = []
    for seed in design.complete(contrast):
        total = 0.0
        for cell in design.cells:
            sign = 1.0
            for name, to in switches.items():
                sign *= {to: 1.0, design.reference[name]: -1.0}.get(cell[name], 0.0)
            if sign:
                total += sign * design.gains(contrast, cell)[seed]
        values.append(total / averaged)
    return values


def effects(design):
    others = [[(name, level) for level in levels if level != design.reference[name]] for name, levels in design.levels.items()]
    family = [[switch] for factor in others for switch in factor]
    for first, second in itertools.combinations(others, 2):
        family += [[a, b] for a in first for b in second]
    for contrast in design.contrasts:
        values = [effect(design, contrast, dict(switches)) for switches in family]
        p_values = [stats.ttest_1samp(of, 0).pvalue for of in values]
        for switches, of, p, adjusted in zip(family, values, p_values, holm(p_values)):
            name = " and ".join(f"{factor}: {design.reference[factor]} to {to}" for factor, to in switches)
            numbers = dict(zip(["difference", "difference_low", "difference_high"], estimate(of, design.alpha)))
            yield {"effect": name, **numbers, "p": p, "holm_p": adjusted}


def shares(design):
    switched = [name for name in design.levels if design.published[name] != design.reference[name]]
    names = ["difference", "difference_low", "difference_high"]
    for contrast in design.contrasts:
        seeds = design.complete(contrast)
        gain = {tuple(cell.values()): design.gains(contrast, cell) for cell in design.cells}
        of_seed = {name: [] for name in switched}
        for seed in seeds:
            added = {name: [] for name in switched}
            for order in itertools.permutations(switched):
                cell = dict(design.reference)
                for name in order:
                    before = gain[tuple(cell.values())][seed]
                    cell[name] = design.published[name]
                    added[name].append(gain[tuple(cell.values())][seed] - before)
            for name in switched:
                of_seed[name].append(np.mean(added[name]))
        ends = [[gain[tuple(cell.values())][seed] for seed in seeds] for cell in (design.reference, design.published)]
        yield {"part": "gain as it should be", **dict(zip(names, estimate(ends[0], design.alpha)))}
        for name in switched:
            part = f"{name}: {design.reference[name]} to {design.published[name]}"
            yield {"part": part, **dict(zip(names, estimate(of_seed[name], design.alpha)))}
        yield {"part": "gain as published", **dict(zip(names, estimate(ends[1], design.alpha)))}


def compare(name, ours, theirs):
    """The largest difference of a number, and how many were compared."""
    if len(ours) != len(theirs):
        sys.exit(f"{name}.csv has {len(theirs)} rows and {len(ours)} were computed")
    worst, count = 0.0, 0
    for ours_row, theirs_row in zip(ours, theirs):
        for key, value in ours_row.items():
            if isinstance(value, str):
                if theirs_row[key] != value:
                    sys.exit(f"{name}.csv: {key} is {theirs_row[key]!r} and {value!r} was expected")
                continue
            given = float(theirs_row[key])
            worst, count = max(worst, abs(given - value)), count + 1
            if not abs(given - value) <= MOST_APART or f"{100 * given:.2f}" != f"{100 * value:.2f}":
                sys.exit(f"{name}.csv: {key} is {given} and {value} was computed, in {theirs_row}")
    print(f"{name}: {len(ours)} rows, {count} numbers, at most {worst:.1e} apart")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment")
    parser.add_argument("folder")
    arguments = parser.parse_args()
    design = Design(arguments.experiment, arguments.folder)
    print(f"{sum(map(len, design.runs.values()))} runs of {len(design.cells)} cells, {design.metric}")
    compare("cells", list(cells(design)), design.read("cells"))
    if design.file.get("design", {}).get("kind", "full") == "full":
        compare("effects", list(effects(design)), design.read("effects"))
    if design.published:
        compare("shares", list(shares(design)), design.read("shares"))


if __name__ == "__main__":
    main()
