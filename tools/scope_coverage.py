#!/usr/bin/env python3
"""How often intervals for new images like these hold the true difference, by simulation: the table of docs/scope.md.

    python tools/scope_coverage.py [--trials N] [--null]

Needs numpy and scipy. A trial is one made-up study: n seeds, m test images, two arms. Whether a run gets an image right is a
probit model with a crossed random effect of the image on each arm, one of the seed on each arm, and noise of each
answer; the true difference over all images and seeds is then known in closed form. `t, seeds` is the paired t interval over
seeds, which speaks of these images only; `bootstrap` resamples seeds and images (Owen 2007); `two-way` takes the variance
from the mean squares of the differences, with Satterthwaite's degrees of freedom; `wider of both` is the hull of
`two-way` and `t, seeds`. `--null` prints how often intervals exclude zero where there is no effect.
"""

import argparse
import itertools

import numpy as np
from scipy import stats

LEVEL = 0.95
RESAMPLES = 400
DIFFICULTY_SD = 1.2
INTERCEPT = 1.0
# (name, sd of image x arm, sd of seed x arm) on the probit scale.
WORLDS = [("images vary", 0.5, 0.05), ("both vary", 0.3, 0.15), ("seeds vary", 0.1, 0.3)]
METHODS = ["t, seeds", "bootstrap", "two-way", "wider of both"]


def truth(effect, image_sd, seed_sd):
    scale = np.sqrt(1 + DIFFICULTY_SD**2 + image_sd**2 + seed_sd**2)
    return stats.norm.cdf((INTERCEPT + effect) / scale) - stats.norm.cdf(INTERCEPT / scale)


def differences(n, m, effect, image_sd, seed_sd, rng):
    """d[seed, image] = correct(treatment) - correct(control)."""
    difficulty = rng.normal(INTERCEPT, DIFFICULTY_SD, m)
    sides = []
    for shift in (effect, 0.0):
        image = rng.normal(0, image_sd, m)
        seed = rng.normal(0, seed_sd, (n, 1))
        latent = difficulty + shift + image + seed + rng.normal(0, 1, (n, m))
        sides.append((latent > 0).astype(np.float32))
    return sides[0] - sides[1]


def intervals(d, weights):
    n, m = d.shape
    mean = d.mean()
    rows, columns = d.mean(axis=1), d.mean(axis=0)
    half = stats.t.ppf((1 + LEVEL) / 2, n - 1) * rows.std(ddof=1) / np.sqrt(n)
    seeds = (mean - half, mean + half)

    seed_weights, image_weights = weights
    means = ((seed_weights @ d) * image_weights).sum(axis=1) / (n * m)
    bootstrap = tuple(np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]))

    error, df = two_way(d, mean, rows, columns)
    half = stats.t.ppf((1 + LEVEL) / 2, df) * error
    two = (mean - half, mean + half)
    hull = (min(two[0], seeds[0]), max(two[1], seeds[1]))
    return [seeds, bootstrap, two, hull]


def two_way(d, mean, rows, columns):
    """Standard error of the mean and its degrees of freedom; a component below zero counts as zero."""
    n, m = d.shape
    seed = m * ((rows - mean) ** 2).sum() / (n - 1)
    image = n * ((columns - mean) ** 2).sum() / (m - 1)
    rest = ((d - rows[:, None] - columns[None, :] + mean) ** 2).sum() / ((n - 1) * (m - 1))
    # (coefficient, mean square, degrees of freedom) of n m Var(mean).
    terms = [(1.0, seed, n - 1)] if seed > rest else []
    terms += [(1.0, image, m - 1)] if image > rest else []
    terms += [(1.0 - len(terms), rest, (n - 1) * (m - 1))]
    total = sum(c * s for c, s, _ in terms)
    if total <= 0:
        return 0.0, 1.0
    return np.sqrt(total / (n * m)), total**2 / sum((c * s) ** 2 / df for c, s, df in terms)


def run(n, m, effect, world, trials, rng):
    _, image_sd, seed_sd = world
    true = truth(effect, image_sd, seed_sd)
    held, width = np.zeros(len(METHODS)), np.zeros(len(METHODS))
    weights = None
    for trial in range(trials):
        if trial % 50 == 0:
            weights = (
                rng.multinomial(n, [1 / n] * n, RESAMPLES).astype(np.float32),
                rng.multinomial(m, [1 / m] * m, RESAMPLES).astype(np.float32),
            )
        for k, (low, high) in enumerate(intervals(differences(n, m, effect, image_sd, seed_sd, rng), weights)):
            held[k] += low <= true <= high
            width[k] += high - low
    return held / trials, 100 * width / trials


def null(trials, rng):
    print("| world | images | seeds | " + " | ".join(METHODS) + " |")
    print("| :-- | --: | --: |" + " --: |" * len(METHODS))
    for world, m, n in itertools.product(WORLDS, [21, 100, 431], [3, 5, 10, 30]):
        held, _ = run(n, m, 0.0, world, trials, rng)
        print(f"| {world[0]} | {m} | {n} | " + " | ".join(f"{100 * (1 - h):.1f}" for h in held) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=2000, help="made-up studies a row (a quarter for 5,000 images)")
    parser.add_argument("--null", action="store_true", help="false claims without an effect instead of coverage")
    arguments = parser.parse_args()
    trials, rng = arguments.trials, np.random.default_rng(20240501)
    if arguments.null:
        return null(trials, rng)
    print("| world | effect | seeds | images | " + " | ".join(METHODS) + " |")
    print("| :-- | --: | --: | --: |" + " --: |" * len(METHODS))
    worst = np.ones(len(METHODS))
    for world, effect, m, n in itertools.product(WORLDS, [0.0, 0.2], [50, 431, 5000], [3, 5, 7, 10]):
        held, width = run(n, m, effect, world, trials // 4 if m == 5000 else trials, rng)
        worst = np.minimum(worst, held)
        cells = " | ".join(f"{100 * h:.1f} ({w:.1f})" for h, w in zip(held, width))
        true = 100 * truth(effect, world[1], world[2])
        print(f"| {world[0]} | {true:.1f} | {n} | {m} | {cells} |", flush=True)
    print("| lowest | | | | " + " | ".join(f"{100 * w:.1f}" for w in worst) + " |")


if __name__ == "__main__":
    main()
