"""What TensorBoard reads is what was reported, number for number, and it can be read at once."""

import socket
from collections import defaultdict
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from evaluators.epoch_report import EpochReport, TrainingEpoch
from experiments.board import EVENTS, Board
from experiments.points import Setting, shown
from experiments.table import Result

SLOTS = ("cell0_slot0", "cell0_slot1", "cell1_slot0")
CANDIDATES = ("none", "exchange", "channel_gate")
FIELDS = (
    *("loss", "val_loss", "mAP", "rank1", "entropy", "none_share"),
    *("learning_rate", "arch_learning_rate", "seconds"),
)
NUMBERS = st.floats(allow_nan=False, width=32)
SHARES = st.floats(0, 1, width=32)

RESULT = Result("tcm", 3, 0.5, 0.75, 0.875, 1.0, 0.25, 2_328_035, 2**30, 1.5, "GG")

Curves = dict[tuple[str, str], list[tuple[int, float]]]
"""(run, tag) -> (step, value) in the order written."""


def read(folder: Path) -> Curves:
    """Every scalar below ``folder``, as TensorBoard's own reader finds it."""
    curves: Curves = {}
    for file in sorted(folder.rglob("*tfevents*")):
        events = EventAccumulator(str(file), size_guidance={"scalars": 0}).Reload()
        run = file.parent.relative_to(folder).as_posix()
        for tag in events.Tags()["scalars"]:
            curves[run, tag] = [(event.step, event.value) for event in events.Scalars(tag)]
    return curves


def report(
    epoch: int, probabilities: dict[str, dict[str, float]], numbers: tuple[float, ...] = (1.0,) * 9
) -> EpochReport:
    return EpochReport(
        epoch=epoch,
        epochs=350,
        **dict(zip(FIELDS, numbers, strict=True)),
        probabilities=probabilities,
        genotype={slot: max(ps, key=lambda c: ps[c]) for slot, ps in probabilities.items()},
    )


def even() -> dict[str, dict[str, float]]:
    return {slot: {c: 1 / len(CANDIDATES) for c in CANDIDATES} for slot in SLOTS}


PROBABILITIES = st.fixed_dictionaries(
    {
        slot: st.fixed_dictionaries(dict.fromkeys(CANDIDATES[: 1 + i], SHARES))
        for i, slot in enumerate(SLOTS)
    }
)


@given(st.lists(st.tuples(PROBABILITIES, st.tuples(*[NUMBERS] * 9)), min_size=1, max_size=4))
def test_every_number_of_every_search_epoch_is_read_back(
    tmp_path_factory: pytest.TempPathFactory,
    epochs: list[tuple[dict[str, dict[str, float]], tuple[float, ...]]],
) -> None:
    folder = tmp_path_factory.mktemp("board")
    wanted: dict[tuple[str, str], list[tuple[int, float]]] = defaultdict(list)
    with closing(Board(folder)) as board:
        for epoch, (probabilities, numbers) in enumerate(epochs, start=1):
            told = report(epoch, probabilities, numbers)
            board.searched(told)
            for field in FIELDS:
                wanted[".", f"search/{field}"].append((epoch, getattr(told, field)))
            for slot, candidates in probabilities.items():
                for candidate, p in candidates.items():
                    wanted[candidate, f"slots/{slot}"].append((epoch, p))
        assert read(folder) == wanted  # not closed yet: an epoch is on the disk once reported


def test_what_an_epoch_does_not_know_has_no_curve(tmp_path: Path) -> None:
    known = asdict(report(1, even()))
    absent = ("val_loss", "mAP", "rank1", "arch_learning_rate")
    with closing(Board(tmp_path)) as board:
        board.searched(EpochReport(**(known | dict.fromkeys(absent))))
    tags = {tag for run, tag in read(tmp_path) if run == "."}
    assert tags == {
        f"search/{field}" for field in ("loss", "entropy", "none_share", "learning_rate", "seconds")
    }


def test_retraining_and_test_are_read_back(tmp_path: Path) -> None:
    with closing(Board(tmp_path)) as board:
        board.retrained(TrainingEpoch(1, 2.5, 0.5, 8.0))
        board.retrained(TrainingEpoch(2, 1.5, 0.25, 4.0))
        board.tested(RESULT)
    curves = read(tmp_path)
    assert curves[".", "training/loss"] == [(1, 2.5), (2, 1.5)]
    assert curves[".", "training/learning_rate"] == [(1, 0.5), (2, 0.25)]
    assert curves[".", "training/seconds"] == [(1, 8.0), (2, 4.0)]
    tested = {tag: value for (_, tag), [(_, value), *_] in curves.items() if tag[:5] == "test/"}
    numbers = {k: v for k, v in asdict(RESULT).items() if isinstance(v, int | float)}
    assert tested == {f"test/{field}": value for field, value in numbers.items() if field != "seed"}


def test_scores_are_told_of_every_target(tmp_path: Path) -> None:
    targets = {
        f"market_layout:{name}": {"mAP": x, "rank1": 1.0, "rank5": 1.0, "rank10": 1.0, "mINP": x}
        for name, x in [("a", 0.25), ("b", 0.75)]
    }
    with closing(Board(tmp_path)) as board:
        board.tested(replace(RESULT, targets=targets))
    curves = read(tmp_path)
    assert curves[".", "test/mAP"] == [(0, 0.5)]
    for name, scores in targets.items():
        for score, value in scores.items():
            assert curves[".", f"test/{name}/{score}"] == [(0, value)]
    columns, _ = compared(tmp_path)
    assert [metric.name.tag for metric in columns.metric_infos][-2:] == [
        "test/market_layout:a/mAP",
        "test/market_layout:b/mAP",
    ]


def compared(folder: Path) -> tuple[Any, Any]:
    """Columns and row of the table of hyper-parameters."""
    events = EventAccumulator(str(folder)).Reload().PluginTagToContent("hparams")
    parts = [
        HParamsPluginData.FromString(events[tag])
        for tag in ("_hparams_/experiment", "_hparams_/session_start_info")
    ]
    return parts[0].experiment, parts[1].session_start_info


SETTINGS: st.SearchStrategy[dict[str, Setting]] = st.dictionaries(
    st.sampled_from(["retrain.alignment.mode", "preset", "space.width"]),
    st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.sampled_from(["", "a:b"]),
)


@given(SETTINGS, st.integers(0, 9))
def test_settings_are_columns_beside_strategy_and_seed(
    tmp_path_factory: pytest.TempPathFactory, settings: dict[str, Setting], seed: int
) -> None:
    folder = tmp_path_factory.mktemp("board")
    with closing(Board(folder)) as board:
        board.tested(replace(RESULT, seed=seed, settings=settings))
    columns, row = compared(folder)
    names = [column.name for column in columns.hparam_infos]
    assert names == ["strategy", "seed", *sorted(settings)]
    cells = {k: getattr(v, str(v.WhichOneof("kind"))) for k, v in row.hparams.items()}
    assert cells == {"strategy": "tcm", "seed": seed, **settings}


@given(st.lists(st.tuples(SETTINGS, st.integers(0, 2)), min_size=2, max_size=4))
def test_trials_of_different_points_are_rows_apart(
    tmp_path_factory: pytest.TempPathFactory, points: list[tuple[dict[str, Setting], int]]
) -> None:
    """TensorBoard joins runs of one group into a row, with the mean of their scores."""
    called = set()
    for settings, seed in points:
        folder = tmp_path_factory.mktemp("board")
        with closing(Board(folder)) as board:
            board.tested(replace(RESULT, seed=seed, settings=settings))
        called.add(compared(folder)[1].group_name)
    different = {
        (seed, frozenset((name, shown(value)) for name, value in settings.items()))
        for settings, seed in points
    }
    assert len(called) == len(different)


def test_a_board_starts_empty_and_leaves_other_files_alone(tmp_path: Path) -> None:
    with closing(Board(tmp_path)) as broken_off:
        broken_off.searched(report(1, even()))
        broken_off.searched(report(2, even()))
    keep = [tmp_path / "notes.txt", tmp_path / "none" / "tfevents.md"]
    for file in keep:
        file.write_text("mine")
    with closing(Board(tmp_path)) as board:
        assert not read(tmp_path)
        board.searched(report(1, even()))
    curves = read(tmp_path)
    assert {step for curve in curves.values() for step, _ in curve} == {1}
    assert len(curves) == len(FIELDS) + len(SLOTS) * len(CANDIDATES)
    assert all(file.read_text() == "mine" for file in keep)


def test_a_tensorboard_that_is_open_shows_the_new_run_and_nothing_of_the_broken_off_one(
    tmp_path: Path,
) -> None:
    watching = EventMultiplexer(size_guidance={"scalars": 0})
    for epochs in (3, 1, 2):
        with closing(Board(tmp_path)) as board:
            for epoch in range(1, epochs + 1):
                board.searched(report(epoch, even()))
            watching.AddRunsFromDirectory(str(tmp_path)).Reload()
            for run, tag in ((".", "search/loss"), ("none", "slots/cell0_slot0")):
                steps = [event.step for event in watching.Scalars(run, tag)]
                assert steps == list(range(1, epochs + 1))


def test_a_random_genotype_needs_no_search_and_no_slots(tmp_path: Path) -> None:
    board = Board(tmp_path / "new" / "folder")
    board.retrained(TrainingEpoch(1, 1.0, 1.0, 1.0))
    board.close()
    board.close()
    assert {tag for _, tag in read(tmp_path)} == {
        f"training/{field}" for field in ("loss", "learning_rate", "seconds")
    }


def test_nothing_names_the_machine_or_its_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "a-secret-host")
    monkeypatch.setattr(socket, "getfqdn", lambda name="": "a-secret-host")
    board = Board(tmp_path)
    board.searched(report(1, even()))
    board.tested(Result("tcm", 0, 0.5, 0.5, 1, 1, 0, 1, 1, 2, "g"))
    Image.new("RGB", (3, 2)).save(tmp_path / "x.png")
    board.image("alpha", tmp_path / "x.png")
    board.close()
    events = sorted(tmp_path.rglob(f"{EVENTS}*"))
    assert len(events) == 1 + len(CANDIDATES)
    for file in events:
        for secret in (str(tmp_path), "a-secret-host"):
            assert secret.encode() not in file.read_bytes()
            assert secret not in file.name


def test_a_picture_is_read_back_byte_for_byte(tmp_path: Path) -> None:
    file = tmp_path / "alpha.png"
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (7, 5, 3), dtype=np.uint8)).save(file)
    with closing(Board(tmp_path / "board")) as board:
        board.image("alpha", file)
    events = EventAccumulator(str(next((tmp_path / "board").iterdir()))).Reload()
    [seen] = events.Images("alpha")
    assert (seen.width, seen.height) == (5, 7)
    assert seen.encoded_image_string == file.read_bytes()


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "network.svg").write_text("<svg/>")
    with (
        closing(Board(tmp_path / "board")) as board,
        pytest.raises(OSError, match="cannot identify image file"),
    ):
        board.image("network", tmp_path / "network.svg")
