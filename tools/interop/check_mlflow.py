"""Checks `augtrial export mlflow` with a real MLflow server on the loopback. Run by `make test-mlflow`."""

import contextlib
import importlib.metadata
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import mlflow

from study import Study

START_SECS = 120


@contextlib.contextmanager
def server(store):
    """`mlflow server` on a free port of the loopback, ended at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        log = open(pathlib.Path(folder, "log"), "w+")
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
        command += ["--backend-store-uri", store(folder), "--default-artifact-root", f"{folder}/artifacts"]
        environment = {**os.environ, "MLFLOW_ALLOW_FILE_STORE": "true"}
        process = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=folder, start_new_session=True, env=environment
        )
        try:
            uri = f"http://127.0.0.1:{port}"
            deadline = time.monotonic() + START_SECS
            while True:
                try:
                    urllib.request.urlopen(f"{uri}/health", timeout=2).read()
                    break
                except OSError:
                    log.seek(0)
                    assert process.poll() is None and time.monotonic() < deadline, log.read()
                    time.sleep(0.3)
            yield uri
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=30)


def snapshot(client, experiment):
    """Everything the server has of the experiment's runs."""
    runs = {}
    for run in client.search_runs([experiment.experiment_id]):
        keys = sorted(run.data.metrics)
        history = {key: [(m.step, m.value, m.timestamp) for m in client.get_metric_history(run.info.run_id, key)] for key in keys}
        info = (run.info.run_name, run.info.status, run.info.start_time, run.info.end_time)
        runs[run.data.tags["augtrial.run"]] = (run.info.run_id, info, run.data.params, run.data.tags, history)
    return runs


def check(study, uri):
    client = mlflow.MlflowClient(tracking_uri=uri)
    assert "4 runs created, 0 updated, 0 unchanged" in study.augtrial("export", "mlflow", "interop", "--uri", uri)
    experiment = client.get_experiment_by_name("interop")
    assert experiment.tags["mlflow.note.content"] == "Exports are read by the tools they are for"
    first = snapshot(client, experiment)
    rows = {row["run"]: row for row in study.table("runs")}
    assert first.keys() == rows.keys() and len(rows) == 4
    for run, (_, (name, status, start, end), params, tags, history) in first.items():
        row = rows[run]
        assert status == "FINISHED" and end > start > 1.6e12, (status, start, end)
        assert name == f"{row['arm']}, seed {row['seed']}"
        assert (params["arm"], params["seed"], params["classifier.batch_size"]) == (row["arm"], str(row["seed"]), "16")
        assert (tags["augtrial.trial_key"], tags["augtrial.plan"]) == (row["trial_key"], row["plan"])
        for split in ("train", "validation"):
            for column in ("top1", "loss_nats"):
                points = history[f"{column}/{split}"]
                assert {step: value for step, value, _ in points} == study.epochs(run, split, column), (run, column)
                assert len(points) == 3, "no value twice"
                assert all(start <= at <= end for _, _, at in points), points
        assert [(step, value) for step, value, _ in history["top1/test"]] == [(row["selected_epoch"], row["test_top1"])]

    assert "0 runs created, 0 updated, 4 unchanged" in study.augtrial("export", "mlflow", "--uri", uri)
    assert snapshot(client, experiment) == first, "a second export changes nothing"

    # As if an export had stopped before its last call, and before it sent any value.
    (run_id, *_), (other_id, *_) = first[sorted(first)[0]], first[sorted(first)[1]]
    client.delete_tag(run_id, "augtrial.exported")
    client.delete_run(other_id)
    assert "1 runs created, 1 updated, 2 unchanged" in study.augtrial("export", "mlflow", "--uri", uri)
    last = snapshot(client, experiment)
    without_ids = lambda runs: {run: values[1:] for run, values in runs.items()}
    drop_own = lambda runs: {
        run: (info, params, {k: v for k, v in tags.items() if k.startswith("augtrial")}, history)
        for run, (info, params, tags, history) in without_ids(runs).items()
    }
    assert drop_own(last) == drop_own(first)

    client.delete_experiment(experiment.experiment_id)
    errors = study.augtrial("export", "mlflow", "--uri", uri, fails=True)
    assert "the experiment `interop` was deleted" in errors, errors


def main():
    print("mlflow", importlib.metadata.version("mlflow"))
    stores = {
        "sqlite": lambda folder: f"sqlite:///{folder}/mlflow.db",
        "files": lambda folder: f"{folder}/mlruns",
    }
    with Study() as study:
        for name, store in stores.items():
            with server(store) as uri:
                check(study, uri)
                print(f"MLflow with its {name} store has every run once, with every value")
        errors = study.augtrial("export", "mlflow", "--uri", uri, fails=True)
        assert "no server answers at" in errors, errors


if __name__ == "__main__":
    main()
