"""``reid-nas score`` says what the file's features score, or in one sentence why they do not."""

import inspect
import json
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from evaluators.feature_file import save_features
from evaluators.metrics import METRICS, metrics_of
from evaluators.repeats import pooled, retrieve_repeated, spread
from evaluators.rerank import retrieve_reranked
from evaluators.retrieval import Features, retrieve
from experiments import score_run
from experiments.score_command import main
from reid_data import vehicleid
from reid_data.randomness import generator_of
from reid_data.records import Protocol

Score = Callable[..., dict[str, Any]]


def part(count: int, seed: int) -> Features:
    """Around eight identities with three cameras; -1 and 0 are two of them."""
    g = generator_of(seed)
    identities = torch.randint(-1, 7, (count,), generator=g)
    vectors = torch.eye(8)[identities] + 0.7 * torch.randn(count, 8, generator=g)
    return Features(vectors, identities, torch.randint(0, 3, (count,), generator=g))


QUERY, GALLERY = part(40, 1), part(90, 2)
NONE = Protocol(camera_rule=False, junk=frozenset(), distractors=frozenset())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "features.npz"
    save_features(file, QUERY, GALLERY)
    return file


@pytest.fixture
def score(file: Path) -> Score:
    """Runs the command on the file and returns its JSON."""

    def run(*options: str | Path) -> dict[str, Any]:
        result = file.with_name("score.json")
        arguments = ["--features", file, "--json", result, "--device", "cpu", *options]
        assert main([str(argument) for argument in arguments]) == 0
        return dict(json.loads(result.read_text()))

    return run


def refused(options: Sequence[str | Path], capsys: pytest.CaptureFixture[str]) -> str:
    """The one sentence of a command that fails."""
    capsys.readouterr()
    assert main([str(option) for option in options]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1, err
    assert err.endswith(".\n")
    return err


def test_two_queries_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Query 0 finds its own first, query 1 behind one other; query 2 has nobody; query 3 is nobody.

    mAP (1 + 1/2) / 2, trapezoid (1 + (1/2 + 0)/2) / 2, mINP (1 + 1/2) / 2, rank-1 1/2.
    """
    near, far = [1.0, 0.0], [0.0, 1.0]
    query = Features(
        torch.tensor([near, near, far, far]), torch.tensor([1, 2, 3, 0]), torch.zeros(4).long()
    )
    gallery = Features(torch.tensor([near, far]), torch.tensor([1, 2]), torch.tensor([1, 1]))
    save_features(tmp_path / "f.npz", query, gallery)
    assert main(["--features", str(tmp_path / "f.npz"), "--json", str(tmp_path / "s.json")]) == 0
    assert json.loads((tmp_path / "s.json").read_text()) == {
        "mAP": 0.75,
        "mAP_trapezoid": 0.625,
        "mINP": 0.75,
        "rank1": 0.5,
        "rank5": 1.0,
        "rank10": 1.0,
        "queries": 2,
        "queries_skipped": 1,
        "queries_left_out": 1,
        "protocol": "market",
    }
    headline, names, values, see = capsys.readouterr().out.splitlines()
    assert "market: 2 queries evaluated, 1 skipped" in headline
    assert "1 left out as junk or distractors" in headline
    assert names.split() == ["mAP", "rank-1", "rank-5", "rank-10", "mINP", "mAP", "(trapezoid)"]
    assert values.split() == ["cosine", "75.00", "50.00", "100.00", "100.00", "75.00", "62.50"]
    assert see == "See s.json."


def test_each_protocol_is_that_of_the_library(score: Score) -> None:
    """Identities -1 and 0 are in the file, and pictures of one identity by one camera."""
    market, none = retrieve(QUERY, GALLERY), retrieve(QUERY, GALLERY, NONE)
    assert score()["mAP"] == market.mAP
    assert score("--protocol", "market")["queries"] == len(market.query)
    assert score("--protocol", "none")["mAP"] == none.mAP
    assert score("--protocol", "none")["queries"] == len(none.query) == 40
    assert len({market.mAP, none.mAP}) == 2


def test_a_drawn_gallery_gives_means_and_deviations_over_its_repeats(score: Score) -> None:
    both = Features(
        *(
            torch.cat([getattr(QUERY, name), getattr(GALLERY, name)])
            for name in ("vectors", "identities", "cameras")
        )
    )
    repeats = retrieve_repeated(both, vehicleid.PROTOCOL)
    got = score("--protocol", "vehicleid")
    assert {name: got[name] for name in METRICS} == metrics_of(pooled(repeats))
    assert got["std"] == {name: over.deviation for name, over in spread(repeats).items()}
    assert got["mAP"] == pytest.approx(sum(repeat.mAP for repeat in repeats) / 10, rel=1e-12)
    assert (got["repeats"], got["seed"], got["queries"]) == (10, 0, 10 * (40 + 90 - 8))
    other = score("--protocol", "vehicleid", "--seed", "4", "--repeats", "3")
    assert (other["repeats"], other["seed"], other["queries"]) == (3, 4, 3 * 122)
    assert other["mAP"] != got["mAP"]


def test_saved_galleries_are_used_again(score: Score, tmp_path: Path) -> None:
    splits = tmp_path / "splits.json"
    drawn = "--protocol", "vehicleid", "--splits", splits
    first = score(*drawn, "--seed", "7", "--repeats", "3")
    saved = splits.read_bytes()
    assert score(*drawn) == first
    assert score(*drawn, "--seed", "7", "--repeats", "3") == first
    assert splits.read_bytes() == saved
    content = json.loads(saved)  # what is scored is what lies in the file
    content["galleries"][1:] = [content["galleries"][0]] * 2
    splits.write_text(json.dumps(content))
    again = score(*drawn)
    assert again["mAP"] != first["mAP"]
    assert again["std"]["mAP"] == 0


def test_reranked_scores_stand_beside_the_plain_ones_with_their_parameters(
    score: Score, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = score()
    got = score("--rerank", "--k1", "7", "--lambda", "0.25")
    reranked = got.pop("rerank")
    expected = retrieve_reranked(QUERY, GALLERY, k1=7, k2=6, lambda_value=0.25)
    assert got == plain
    assert {name: reranked[name] for name in METRICS} == metrics_of(expected)
    assert (reranked["k1"], reranked["k2"], reranked["lambda"]) == (7, 6, 0.25)
    assert set(reranked) == {*plain, "k1", "k2", "lambda"}
    assert "re-ranked (k1 7, k2 6, lambda 0.25)" in capsys.readouterr().out


def test_with_the_whole_weight_on_the_plain_distance_reranking_changes_nothing(
    score: Score,
) -> None:
    for protocol in ("market", "vehicleid", "none"):
        got = score("--protocol", protocol, "--rerank", "--lambda", "1")
        reranked = got.pop("rerank")
        assert reranked == got | {"k1": 20, "k2": 6, "lambda": 1.0}


def test_defaults_of_the_command_are_those_of_the_library(score: Score) -> None:
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(retrieve_reranked).parameters.items()
    }
    reranked = score("--rerank")["rerank"]
    for option, name in (("k1", "k1"), ("k2", "k2"), ("lambda", "lambda_value")):
        assert reranked[option] == defaults[name]


@pytest.mark.parametrize("protocol", ["market", "vehicleid", "none"])
def test_the_rows_per_query_have_the_scores_as_their_means(
    score: Score, tmp_path: Path, protocol: str
) -> None:
    rows_file = tmp_path / "rows.csv"
    got = score("--protocol", protocol, "--rerank", "--per-query", rows_file)
    rows = pd.read_csv(rows_file)
    assert len(rows) == got["queries"]
    for prefix, scores in (("", got), ("rerank_", got["rerank"])):
        assert rows[f"{prefix}average_precision"].mean() == pytest.approx(scores["mAP"])
        assert rows[f"{prefix}inverse_penalty"].mean() == pytest.approx(scores["mINP"])
        assert rows[f"{prefix}trapezoid"].mean() == pytest.approx(scores["mAP_trapezoid"])
        assert (rows[f"{prefix}first_rank"] <= 5).mean() == pytest.approx(scores["rank5"])
    assert ("repeat" in rows) == (protocol == "vehicleid")


def test_cameras_may_be_missing_where_no_rule_asks_for_them(
    file: Path, score: Score, capsys: pytest.CaptureFixture[str]
) -> None:
    before = score("--protocol", "none"), score("--protocol", "vehicleid")
    with np.load(file) as saved:
        kept = {key: saved[key] for key in saved.files if not key.endswith("cameras")}
    np.savez(file, **kept)
    assert (score("--protocol", "none"), score("--protocol", "vehicleid")) == before
    words = refused(["--features", file], capsys)
    assert "has no query_cameras" in words
    assert "--protocol none" in words


def test_half_precision_is_read(file: Path, score: Score) -> None:
    expected = score()
    halves = (
        Features(side.vectors.half(), side.identities, side.cameras) for side in (QUERY, GALLERY)
    )
    save_features(file, *halves)
    assert score()["mAP"] == pytest.approx(expected["mAP"], abs=0.01)


def test_nothing_that_is_shown_or_written_names_a_folder(
    score: Score, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = tmp_path / "rows.csv", tmp_path / "splits.json"
    score("--protocol", "vehicleid", "--per-query", outputs[0], "--splits", outputs[1])
    written = [file.read_text() for file in (*outputs, tmp_path / "score.json")]
    assert not any(str(tmp_path) in text for text in (capsys.readouterr().out, *written))


def test_without_any_relevant_picture_there_is_no_score(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_features(file, QUERY, Features(GALLERY.vectors, GALLERY.identities + 90, GALLERY.cameras))
    json_file = file.with_name("old.json")
    json_file.write_text("old")
    words = refused(["--features", file, "--json", json_file], capsys)
    assert "queries has a relevant gallery image" in words
    assert json_file.read_text() == "old"


def test_vectors_that_are_not_finite_are_named_by_their_rows_in_the_file(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = GALLERY.vectors.clone()
    wrong[13, 2] = float("nan")
    save_features(file, QUERY, Features(wrong, GALLERY.identities, GALLERY.cameras))
    for protocol in ("market", "vehicleid"):
        words = refused(["--features", file, "--protocol", protocol], capsys)
        assert "1 of the 90 gallery vectors are not finite" in words
        assert "rows 13 " in words


@pytest.mark.parametrize("option", ["--json", "--per-query", "--splits"])
@pytest.mark.parametrize(
    ("place", "found"),
    [
        ("nowhere/x", "names a file in nowhere, which is no folder: make it first"),
        ("features.npz/x", "names a file in features.npz, which is no folder"),
        ("folder", "names folder, which is no plain file"),
        ("features.npz", "both name features.npz: give each"),
        ("x" * 250, "cannot be written"),
    ],
)
def test_a_place_that_cannot_be_written_is_said_before_the_work(
    file: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    option: str,
    place: str,
    found: str,
) -> None:
    file.with_name("folder").mkdir()
    monkeypatch.setattr(score_run, "read_features", lambda *_: pytest.fail("the work began"))
    words = refused(
        ["--features", file, "--protocol", "vehicleid", option, file.parent / place], capsys
    )
    assert found in words
    assert option in words
    assert {entry.name for entry in file.parent.iterdir()} == {"features.npz", "folder"}


def test_two_results_in_one_file_are_refused(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, link = file.with_name("one"), file.with_name("link")
    link.symlink_to(one)
    words = refused(["--features", file, "--json", one, "--per-query", link], capsys)
    assert "--json and --per-query both name link: give each a file of its own" in words
    words = refused(["--features", file, "--against", one, "--json", link], capsys)
    assert "--against and --json both name link" in words


def test_a_link_is_followed_and_stays(file: Path, score: Score) -> None:
    link, target = file.with_name("link.csv"), file.with_name("target.csv")
    target.write_text("old")
    link.symlink_to(target)
    score("--per-query", link)
    assert link.is_symlink()
    assert target.read_text().startswith("query,")


def test_a_link_to_splits_that_are_not_there_yet_stays_too(file: Path, score: Score) -> None:
    link, target = file.with_name("link.json"), file.with_name("target.json")
    link.symlink_to(target)
    score("--protocol", "vehicleid", "--splits", link)
    assert link.is_symlink()
    assert "galleries" in json.loads(target.read_text())


def test_splits_that_are_only_read_need_no_right_to_write(
    score: Score, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = "--protocol", "vehicleid", "--splits", tmp_path / "splits.json"
    first = score(*drawn)
    asked: list[str] = []
    monkeypatch.setattr(
        "experiments.score_run.refuse_unwritable", lambda outputs, _: asked.extend(outputs)
    )
    assert score(*drawn)["mAP"] == first["mAP"]
    assert "--splits" not in asked


def test_a_run_is_compared_with_another_in_pairs(
    file: Path, score: Score, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = tmp_path / "rows.csv"
    for protocol in ("market", "vehicleid"):
        options = "--protocol", protocol
        before = score(*options, "--per-query", rows)
        same = score(*options, "--against", rows)["mAP_difference"]
        assert (same["mean"], same["low"], same["high"]) == pytest.approx((0, 0, 0), abs=1e-15)
        noise = 0.3 * torch.randn(GALLERY.vectors.shape, generator=generator_of(3))
        changed = Features(GALLERY.vectors + noise, GALLERY.identities, GALLERY.cameras)
        save_features(file, QUERY, changed)
        capsys.readouterr()
        after = score(*options, "--against", rows)
        got = after["mAP_difference"]
        assert got["mean"] == pytest.approx(after["mAP"] - before["mAP"], abs=1e-12)
        assert got["low"] < got["mean"] < got["high"]
        assert (
            f"mAP minus the other run's: {100 * got['mean']:+.2f} points" in capsys.readouterr().out
        )
        save_features(file, QUERY, GALLERY)
    words = refused(["--features", file, "--against", rows], capsys)  # of the drawn galleries
    assert "and not of the same queries" in words


def test_galleries_of_other_pictures_or_another_seed_are_refused(
    file: Path, score: Score, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn = "--protocol", "vehicleid", "--splits", tmp_path / "splits.json"
    score(*drawn)
    words = refused(["--features", file, *drawn, "--seed", "1"], capsys)
    assert "--seed 1 was given and the galleries in --splits have seed 0" in words
    words = refused(["--features", file, *drawn, "--repeats", "9"], capsys)
    assert "--repeats 9 was given and the galleries in --splits have repeats 10" in words
    save_features(file, GALLERY, QUERY)
    assert "drawn from 130 other pictures" in refused(["--features", file, *drawn], capsys)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "--features"),
        (["--features", "f.npz", "--protocol", "duke"], "invalid choice: 'duke'"),
        (["--features", "f.npz", "--k1", "3"], "--k1 does nothing without --rerank"),
        (["--features", "f.npz", "--lambda", "0"], "--lambda does nothing without --rerank"),
        (["--features", "f.npz", "--seed", "0"], "--seed does nothing without --protocol veh"),
        (["--features", "f.npz", "--splits", "s"], "--splits does nothing without --protocol"),
        (["--features", "f.npz", "--rerank", "--k2", "0"], "'0' was given and a whole number"),
        (["--features", "f.npz", "--rerank", "--lambda", "nan"], "a number in [0, 1] is needed"),
        (["--features", "f.npz", "--rerank", "--lambda", "x"], "a number in [0, 1] is needed"),
        (["--features", "f.npz", "--seed", "1.5"], "a whole number from 0 is needed"),
    ],
)
def test_a_wrong_command_line_ends_with_2_and_says_why(
    capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(options)
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


def test_a_gpu_that_is_not_there_is_refused(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "torch sees none" in refused(["--features", file, "--device", "cuda"], capsys)


def test_an_interrupted_command_leaves_nothing(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(score_run, "retrieve", lambda *_, **__: os.kill(os.getpid(), signal.SIGINT))
    result = file.with_name("score.json")
    assert main(["--features", str(file), "--json", str(result)]) == 130
    assert capsys.readouterr().err == "Stopped by SIGINT.\n"
    assert not result.exists()


@pytest.mark.data
def test_features_of_a_published_model_have_their_known_scores(
    real_data: Path, tmp_path: Path
) -> None:
    features = real_data / "pku_sketch" / "pkusketch_50q_100g_512d.npz"
    result = tmp_path / "score.json"
    assert main(["--features", str(features), "--json", str(result), "--device", "cpu"]) == 0
    got = json.loads(result.read_text())
    assert (got["rank1"], got["rank5"], got["rank10"]) == (0.14, 0.36, 0.48)
    assert got["mAP_trapezoid"] == pytest.approx(0.1779997, abs=5e-8)
    assert got["mAP"] == pytest.approx(0.2171366, abs=5e-8)
    assert got["mINP"] == pytest.approx(0.1875606, abs=5e-8)
    assert (got["queries"], got["queries_skipped"]) == (50, 0)
