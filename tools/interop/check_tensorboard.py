"""Reads what `augtrial export tensorboard` writes with TensorBoard's own readers. Run by `make test-tensorboard`."""

import importlib.metadata
import pathlib
import struct

from tensorboard.backend.event_processing import data_provider
from tensorboard.backend.event_processing import plugin_event_multiplexer
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto import event_pb2
from tensorboard.context import RequestContext
from tensorboard.plugins import base_plugin
from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups, plugin_data_pb2

from study import ROOT, Study


def single(value):
    """The value as a 32-bit float, the precision of the format."""
    return struct.unpack("f", struct.pack("f", value))[0]


def check_scalars(study, out):
    runs = study.table("runs")
    assert len(runs) == 4, runs
    for run in runs:
        folder = out / run["study"] / run["arm"] / f"seed-{run['seed']}-{run['run'][:8]}"
        reader = EventAccumulator(str(folder))
        reader.Reload()
        for split in ("train", "validation"):
            for name in ("top1", "loss_nats"):
                expected = {epoch: single(v) for epoch, v in study.epochs(run["run"], split, name).items()}
                read = reader.Scalars(f"{name}/{split}")
                assert {point.step: point.value for point in read} == expected, (folder, name, split)
                times = [point.wall_time for point in read]
                assert times == sorted(times) and len(set(times)) == len(times) == 3, times
        [test] = reader.Scalars("top1/test")
        assert (test.step, test.value) == (run["selected_epoch"], single(run["test_top1"]))
        content = reader.summary_metadata["_hparams_/session_start_info"].plugin_data.content
        start = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
        assert start.hparams["arm"].string_value == run["arm"]
        assert start.hparams["seed"].number_value == run["seed"]
    return runs


def check_hparams(out, runs):
    """The plugin's own backend lists every run with its arm, seed, status and test result."""
    multiplexer = plugin_event_multiplexer.EventMultiplexer().AddRunsFromDirectory(str(out))
    multiplexer.Reload()
    provider = data_provider.MultiplexerDataProvider(multiplexer, str(out))
    context = backend_context.Context(base_plugin.TBContext(data_provider=provider, logdir=str(out)))
    request_context = RequestContext()
    experiment = context.experiment_from_metadata(
        request_context, "", True, context.hparams_metadata(request_context, ""), []
    )
    assert {"arm", "seed"} <= {info.name for info in experiment.hparam_infos}, experiment
    request = api_pb2.ListSessionGroupsRequest(
        start_index=0,
        slice_size=100,
        allowed_statuses=[api_pb2.STATUS_SUCCESS],
        col_params=[
            api_pb2.ColParams(metric=api_pb2.MetricName(tag="top1/test", group="")),
            api_pb2.ColParams(hparam="seed"),
        ],
    )
    handler = list_session_groups.Handler(request_context, context, "", request)
    groups = handler.run().session_groups
    found = {(g.hparams["arm"].string_value, g.hparams["seed"].number_value) for g in groups}
    assert found == {(run["arm"], run["seed"]) for run in runs}, found


def check_golden_file():
    """TensorBoard reads the committed file whose bytes the Rust tests pin."""
    folder = ROOT / "crates/export/fixtures/tensorboard"
    reader = EventAccumulator(str(folder / "plain-1.tfevents"))
    reader.Reload()
    assert [(p.step, p.value) for p in reader.Scalars("loss_nats/validation")] == [
        (1, single(1 / 3)),
        (2, 0.25),
        (3, single(0.2)),
    ]
    assert reader.Scalars("top1/test")[0].value == single(2 / 3)


def main():
    print("tensorboard", importlib.metadata.version("tensorboard"))
    check_golden_file()
    with Study() as study:
        out = study.folder / "tb"
        print(study.augtrial("export", "tensorboard", "--out", "tb", "interop"), end="")
        runs = check_scalars(study, out)
        check_hparams(out, runs)
        files = {path: path.read_bytes() for path in pathlib.Path(out).rglob("*tfevents*")}
        again = study.augtrial("export", "tensorboard", "--out", "tb")
        assert "wrote 0 event files" in again, again
        assert files == {path: path.read_bytes() for path in pathlib.Path(out).rglob("*tfevents*")}
        first = next(iter(files.values()))
        (length,) = struct.unpack("<Q", first[:8])
        assert event_pb2.Event.FromString(first[12 : 12 + length]).file_version == "brain.Event:2"
    print("TensorBoard reads every scalar, time and hyperparameter back")


if __name__ == "__main__":
    main()
