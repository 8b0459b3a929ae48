"""What can be done with the tables of `augtrial export`, in pandas and in polars (docs/parquet.md). Run by `make test-parquet`.

Without arguments it makes a small study and checks every number against `augtrial compare`; with a folder that holds runs.parquet,
epochs.parquet and predictions.parquet it only prints.
"""

import json
import pathlib
import sys

import pandas as pd
import polars as pl


def with_pandas(folder):
    runs = pd.read_parquet(folder / "runs.parquet").query("counts")
    predictions = pd.read_parquet(folder / "predictions.parquet").query("counts")
    epochs = pd.read_parquet(folder / "epochs.parquet").query("counts and split == 'validation'")

    right = predictions.assign(right=predictions.label == predictions.predicted)
    accuracy = right.groupby(["arm", "seed"]).right.mean()
    curve = epochs.groupby(["arm", "epoch"]).top1.mean()
    top1 = runs.pivot(index="seed", columns="arm", values="test_top1")
    control = runs.loc[runs.role == "control", "arm"].iloc[0]
    differences = top1.drop(columns=control).sub(top1[control], axis=0)
    return accuracy.to_dict(), curve.to_dict(), differences.mean().to_dict()


def with_polars(folder):
    runs = pl.read_parquet(folder / "runs.parquet").filter("counts")
    predictions = pl.read_parquet(folder / "predictions.parquet").filter("counts")
    epochs = pl.read_parquet(folder / "epochs.parquet").filter("counts", pl.col("split") == "validation")

    accuracy = predictions.group_by("arm", "seed").agg((pl.col("label") == pl.col("predicted")).mean().alias("accuracy"))
    curve = epochs.group_by("arm", "epoch").agg(pl.col("top1").mean())
    top1 = runs.pivot("arm", index="seed", values="test_top1")
    control = runs.filter(pl.col("role") == "control")["arm"][0]
    differences = top1.select((pl.exclude("seed", control) - pl.col(control)).mean())
    return (
        {(arm, seed): value for arm, seed, value in accuracy.iter_rows()},
        {(arm, epoch): value for arm, epoch, value in curve.iter_rows()},
        differences.to_dicts()[0],
    )


def near(one, other):
    assert one.keys() == other.keys(), (one, other)
    assert all(abs(one[key] - other[key]) < 1e-12 for key in one), (one, other)


def check(folder, comparison):
    """Both libraries say what `augtrial compare --json` says."""
    (accuracy, curve, differences), in_polars = with_pandas(folder), with_polars(folder)
    for one, other in zip((accuracy, curve, differences), in_polars):
        near(one, other)
    compared = {(arm["name"], point["seed"]): point["value"] for arm in comparison["arms"] for point in arm["values"]}
    near(accuracy, compared)
    by_contrast = {contrast["treatment"]: contrast["difference"] for contrast in comparison["contrasts"]}
    near(differences, by_contrast)
    print(f"ok: {len(accuracy)} runs, {len(curve)} points of learning curves, {len(differences)} contrasts agree")


def main():
    if len(sys.argv) > 1:
        for found in (*with_pandas(pathlib.Path(sys.argv[1])), *with_polars(pathlib.Path(sys.argv[1]))):
            print(found)
        return
    from study import Study

    with Study() as study:
        for table in ("runs", "epochs", "predictions"):
            study.augtrial("export", table, str(study.folder / f"{table}.parquet"))
        check(study.folder, json.loads(study.augtrial("compare", "--json")))


if __name__ == "__main__":
    main()
