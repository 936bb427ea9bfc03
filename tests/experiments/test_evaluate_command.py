"""``reid-nas evaluate`` scores what the network makes of each data set, under that set's rules."""

import errno
import json
import os
import re
import shutil
import signal
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from evaluators.embedding import embed_sightings
from evaluators.feature_file import read_features
from evaluators.metrics import METRICS, metrics_of
from evaluators.retrieval import MARKET_RULES, Features, retrieve
from experiments import evaluate_pages
from experiments.evaluate_command import main
from experiments.pages.ranked_lists import RankedList, ranked_lists
from experiments.score_command import main as score_main
from nas_space.genotype import PUBLISHED
from nas_space.inference import Embedder
from nas_space.networks import Blueprint, network_from, read_network, save_network
from reid_data.catalog import load_dataset

Evaluate = Callable[..., dict[str, Any]]
EMBED = "experiments.evaluate_network.embed_sightings"
MIRROR = Image.Transpose.FLIP_LEFT_RIGHT
STRANGE = "a <b>&\"'.png"


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two untrained networks, and one that was trained with other colours."""
    folder = tmp_path_factory.mktemp("checkpoints")
    genotype = next(iter(PUBLISHED.values()))
    blueprint = Blueprint(genotype=genotype, height=32, width=16, channel_factor=0.125)
    half = {"normalisation": {"mean": [0.5] * 3, "std": [0.25] * 3}}
    for name, info in (("one", {"epochs": 0}), ("other", {}), ("half", half)):
        torch.manual_seed(len(name))
        save_network(folder / f"{name}.pt", blueprint.build(), blueprint, info=info)
    return folder


@pytest.fixture(scope="session")
def drawn(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest whose galleries are drawn, without cameras; one file has a strange name."""
    folder = tmp_path_factory.mktemp("drawn")
    rows = ["path,identity,split"]
    for part in ("bounding_box_train", "bounding_box_test", "query"):
        split = "train" if part == "bounding_box_train" else "test"
        for file in sorted((tiny_folder / part).iterdir()):
            who = file.name.split("_")[0]
            if who not in ("-1", "0000"):
                name = STRANGE if len(rows) == 45 else file.name
                shutil.copyfile(file, folder / name)
                quoted = name.replace('"', '""')
                rows.append(f'"{quoted}",{who},{split}')
    (folder / "manifest.csv").write_text("\n".join(rows))
    return folder


@pytest.fixture
def evaluate(checkpoints: Path, tmp_path: Path) -> Evaluate:
    """Runs the command and returns its JSON."""

    def run(*options: str | Path, status: int = 0, checkpoint: str = "one") -> dict[str, Any]:
        file, result = checkpoints / f"{checkpoint}.pt", tmp_path / "scores.json"
        result.unlink(missing_ok=True)
        arguments = ["--checkpoint", file, "--json", result, "--device", "cpu", *options]
        assert main([str(argument) for argument in arguments]) == status
        return dict(json.loads(result.read_text())) if result.exists() else {}

    return run


def twin(checkpoint: Path, root: Path, *, flip: bool = False, **options: Any) -> list[Features]:
    """The same by the inference API: every picture alone, decoded and resized by itself."""
    embedder = Embedder.load(checkpoint, batch_size=1, **options)
    dataset = load_dataset("market_layout", root)
    parts = []
    for part in (dataset.query, dataset.gallery):
        pictures = [Image.open(one.path).convert("RGB") for one in part]
        vectors = embedder(pictures)
        if flip:
            vectors = (vectors + embedder([p.transpose(MIRROR) for p in pictures])) / 2
        identities = torch.tensor([one.identity for one in part])
        parts.append(Features(vectors, identities, torch.tensor([one.camera for one in part])))
    return parts


@pytest.mark.parametrize("options", [{}, {"flip": True}, {"feature": "normalised"}])
def test_features_and_scores_are_those_of_every_picture_alone(
    evaluate: Evaluate,
    checkpoints: Path,
    tiny_folder: Path,
    tmp_path: Path,
    options: dict[str, Any],
) -> None:
    file = tmp_path / "f.npz"
    words = ["--flip"] if options.get("flip") else []
    words += ["--feature", options["feature"]] if "feature" in options else []
    data = "--data", f"market_layout={tiny_folder}"
    (got,) = evaluate(*data, "--features", file, *words)["results"]
    expected = twin(checkpoints / "one.pt", tiny_folder, **options)
    for found, part in zip(read_features(file, MARKET_RULES), expected, strict=True):
        torch.testing.assert_close(found.vectors, part.vectors)
        assert torch.equal(found.identities, part.identities)
        assert torch.equal(found.cameras, part.cameras)
    query, gallery = expected
    scores = metrics_of(retrieve(query, gallery, MARKET_RULES))
    assert {name: got[name] for name in METRICS} == pytest.approx(scores)
    assert got["feature"] == options.get("feature", "pooled")
    assert got["flip"] == options.get("flip", False)


def test_a_network_sees_the_colours_it_was_trained_with(
    evaluate: Evaluate, checkpoints: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    features = tmp_path / "f.npz"
    evaluate("--data", tiny_folder, "--features", features, checkpoint="half")
    query = load_dataset("market_layout", tiny_folder).query
    expected = Embedder.load(checkpoints / "half.pt")([one.path for one in query])
    torch.testing.assert_close(torch.from_numpy(np.load(features)["query_features"]), expected)


def test_what_is_written_says_what_was_scored(
    evaluate: Evaluate, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    got = evaluate("--data", f"market_layout={tiny_folder}")
    assert got["checkpoint"]["file"] == "one.pt"
    assert got["checkpoint"]["info"] == {"epochs": 0}
    assert Blueprint.from_dict(got["checkpoint"]["blueprint"]).height == 32
    assert got["failed"] == []
    (one,) = got["results"]
    assert (one["data"], one["protocol"]) == ("market_layout", "market")
    assert one["layout"] == "Market-1501's layout"
    assert one["counts"]["query"] == 8  # four identities, two cameras
    assert one["counts"]["training identities"] == 10
    assert (one["queries"], one["queries_skipped"]) == (8, 0)
    headline, rules, names, values, see = capsys.readouterr().out.splitlines()
    assert headline == "market_layout (Market-1501's layout), feature pooled"
    assert rules.startswith("protocol market: 8 queries evaluated, 0 skipped")
    assert names.split()[:2] == ["mAP", "rank-1"]
    assert values.split()[:2] == ["cosine", f"{100 * one['mAP']:.2f}"]
    assert see == f"See {tmp_path / 'scores.json'}."


def test_each_data_set_has_its_own_protocol_and_its_own_files(
    evaluate: Evaluate, tiny_folder: Path, drawn: Path, tmp_path: Path
) -> None:
    rows, features = tmp_path / "rows.csv", tmp_path / "f.npz"
    alone = []
    for data in (tiny_folder, drawn):
        options = (
            "--data",
            data,
            "--rerank",
            "--k1",
            "3",
            "--per-query",
            rows,
            "--features",
            features,
        )
        alone += evaluate(*options)["results"]
        rows.rename(tmp_path / f"alone_{data.name}.csv")
        features.rename(tmp_path / f"alone_{data.name}.npz")
    both = evaluate("--data", tiny_folder, *options)["results"]
    assert both == alone
    market, vehicleid = both
    assert (market["protocol"], vehicleid["protocol"]) == ("market", "vehicleid")
    assert (vehicleid["repeats"], vehicleid["seed"]) == (10, 0)
    assert vehicleid["std"]["mAP"] > 0
    assert "std" not in market
    for data, one in ((tiny_folder, market), (drawn, vehicleid)):
        slug = data.name.replace("-", "_")
        for name in (f"rows_{slug}.csv", f"f_{slug}.npz"):
            before = tmp_path / f"alone_{data.name}{Path(name).suffix}"
            assert (tmp_path / name).read_bytes() == before.read_bytes()
        table = pd.read_csv(tmp_path / f"rows_{slug}.csv")
        assert table["average_precision"].mean() == pytest.approx(one["mAP"])
        assert table["rerank_average_precision"].mean() == pytest.approx(one["rerank"]["mAP"])


@pytest.mark.parametrize("protocol", ["market", "vehicleid"])
def test_the_features_written_score_the_same_without_the_network(
    evaluate: Evaluate, tiny_folder: Path, drawn: Path, tmp_path: Path, protocol: str
) -> None:
    features, scores = tmp_path / "f.npz", tmp_path / "s.json"
    data = tiny_folder if protocol == "market" else drawn
    (got,) = evaluate("--data", data, "--features", features, "--rerank")["results"]
    options = ["--features", features, "--json", scores, "--protocol", protocol, "--rerank"]
    assert score_main([*map(str, options), "--device", "cpu"]) == 0
    again = json.loads(scores.read_text())
    assert {name: got[name] for name in again} == again


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("fault", ["missing", "broken"])
def test_a_data_set_that_fails_takes_no_other_with_it(
    evaluate: Evaluate,
    tiny_folder: Path,
    drawn: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    place: int,
    fault: str,
) -> None:
    bad = tmp_path / "bad"
    if fault == "broken":  # found only when its pictures are read
        shutil.copytree(tiny_folder, bad)
        next((bad / "query").iterdir()).write_bytes(b"no picture")
    data = [str(tiny_folder), str(drawn)]
    data.insert(place, str(bad))
    got = evaluate(*(word for one in data for word in ("--data", one)), status=1)
    out, err = capsys.readouterr()
    assert [one["protocol"] for one in got["results"]] == ["market", "vehicleid"]
    assert got["failed"] == ["bad"]
    assert out.count("cosine") == 2
    assert "bad: " in err
    assert err.splitlines()[-1].startswith("1 of 3 data sets could not be finished")
    assert err.splitlines()[-1].endswith(": bad.")


def test_where_nothing_was_scored_nothing_is_written(
    evaluate: Evaluate, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate("--data", "nowhere", status=1) == {}
    out, err = capsys.readouterr()
    assert out == ""
    assert "'nowhere' is neither a folder or file here" in err


def test_an_interrupted_command_keeps_what_was_finished(
    checkpoints: Path,
    tiny_folder: Path,
    drawn: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = []

    def interrupting(*arguments: Any, **options: Any) -> Features:
        calls.append(options["progress"])
        if len(calls) == 3:  # of the second data set
            os.kill(os.getpid(), signal.SIGINT)
        return embed_sightings(*arguments, **options)

    monkeypatch.setattr(EMBED, interrupting)
    result = tmp_path / "scores.json"
    options = ["--checkpoint", checkpoints / "one.pt", "--json", result, "--device", "cpu"]
    options += ["--data", tiny_folder, "--data", drawn]
    assert main([str(option) for option in options]) == 130
    assert [one["protocol"] for one in json.loads(result.read_text())["results"]] == ["market"]


class Shown(NamedTuple):
    """A query of a page."""

    query: str
    """Its identity."""
    kinds: list[str]
    """Class of each gallery picture, in their order."""
    identities: list[str]
    """Of the same."""


class Page(HTMLParser):
    """Which pictures a page loads, its words, and the lists in each of its sections."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []
        self.words = ""
        self._kinds: dict[str, list[list[str]]] = {}
        self._captions: dict[str, list[list[str]]] = {}
        self.feed(file.read_text(encoding="utf-8"))
        assert not self.open, "elements that are not closed"

    def lists(self, section: str) -> list[Shown]:
        """The queries of a section, ``worst`` for example."""
        kinds, captions = self._kinds[f"{section}-queries"], self._captions[f"{section}-queries"]
        found = []
        for row, texts in zip(kinds, captions, strict=True):
            query, *identities = (re.findall(r"id (\d+)", text)[0] for text in texts)
            assert len(row) == len(identities)
            found.append(Shown(query, row, identities))
        return found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        assert not {"href", "srcset", "onclick"} & set(found)
        if tag not in ("meta", "img", "br", "wbr", "input", "path"):
            self.open.append(tag)
        if tag == "section":
            self._kinds[found["id"]], self._captions[found["id"]] = [], []
        elif tag == "img":
            self.sources.append(found["src"])
        elif self._kinds:
            self._begin_in_section(tag, found)

    def _begin_in_section(self, tag: str, found: dict[str, str]) -> None:
        kinds, captions = (list(of.values())[-1] for of in (self._kinds, self._captions))
        if tag == "article":
            kinds.append([])
            captions.append([])
        elif tag == "li":
            kinds[-1].append(found["class"])
        elif tag == "figcaption":
            captions[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data
        if self._captions and "figcaption" in self.open:
            list(self._captions.values())[-1][-1][-1] += data


def average_precision(kinds: list[str]) -> float:
    """Of a list's classes, in the order of the page."""
    ranked = [kind for kind in kinds if kind != "out"]
    assert set(ranked) <= {"right", "wrong"}
    ranks = [rank for rank, kind in enumerate(ranked, 1) if kind == "right"]
    return sum(k / rank for k, rank in enumerate(ranks, 1)) / len(ranks)


def test_a_page_of_the_whole_gallery_gives_back_every_querys_score(
    evaluate: Evaluate, tiny_folder: Path, drawn: Path, tmp_path: Path
) -> None:
    """Where galleries are drawn, those of the first."""
    for data in (tiny_folder, drawn):
        rows, folder = tmp_path / "rows.csv", tmp_path / data.name
        options = "--ranks", "999", "--count", "999", "--per-query", rows, "--gallery-html", folder
        evaluate("--data", data, *options)
        table = pd.read_csv(rows)
        if data == drawn:
            table = table[table["repeat"] == 0]
        scores = sorted(table["average_precision"])
        page = Page(folder / "index.html")
        for choice, expected in (("worst", scores), ("best", scores[::-1])):
            lists = page.lists(choice)
            assert [average_precision(one.kinds) for one in lists] == pytest.approx(expected)
            for one in lists:  # the pictures shown are those that were ranked
                for kind, identity in zip(one.kinds, one.identities, strict=True):
                    assert (kind == "wrong") == (identity != one.query)


def test_a_list_shows_the_whole_gallery_by_the_rules(
    evaluate: Evaluate, tiny_folder: Path, tmp_path: Path
) -> None:
    evaluate("--data", tiny_folder, "--ranks", "999", "--gallery-html", tmp_path)
    gallery = load_dataset("market_layout", tiny_folder).gallery
    for one in Page(tmp_path / "index.html").lists("random"):
        assert len(one.kinds) == len(gallery)
        assert one.kinds.count("out") == 1  # the other shot by the query's camera
        assert one.kinds.count("right") == 1


def test_a_page_needs_nothing_but_its_folder(
    evaluate: Evaluate, drawn: Path, tmp_path: Path
) -> None:
    folder, maps = tmp_path / "page", tmp_path / "maps"
    options = "--ranks", "2", "--count", "999", "--gallery-html", folder, "--maps-html", maps
    for place in (folder, maps):  # of an earlier page, and of somebody else
        (place / "pictures").mkdir(parents=True)
        (place / "pictures" / f"{'0' * 20}.jpg").touch()
        (place / "mine.jpg").touch()
    evaluate("--data", drawn, *options)
    for place in (folder, maps):
        page = Page(place / "index.html")
        text = (place / "index.html").read_text()
        assert all((place / source).is_file() for source in page.sources)
        kept = {f"pictures/{file.name}" for file in (place / "pictures").iterdir()}
        assert kept == set(page.sources)
        assert (place / "mine.jpg").exists()
        assert not any(
            word in text for word in ("://", "url(", "<script", str(tmp_path), str(drawn))
        )
    words = Page(folder / "index.html").words
    assert STRANGE in words
    assert "left out" not in words  # there is no camera rule


def test_the_first_right_picture_is_shown_wherever_it_stands(
    evaluate: Evaluate, tiny_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "page"
    evaluate("--data", tiny_folder, "--ranks", "1", "--gallery-html", folder)
    lists = Page(folder / "index.html").lists("worst")
    assert len(lists) == 8
    for _, kinds, _ in lists:
        assert [kind.split()[0] for kind in kinds].count("right") == 1
        ranked = [kind for kind in kinds if kind in ("right", "wrong")]
        assert len(ranked) == 1
        assert ("right beyond" in kinds) == (ranked == ["wrong"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "--checkpoint, --data"),
        (["--checkpoint", "c"], "--data"),
        (["--checkpoint", "c", "--data", "d", "--k1", "3"], "--k1 does nothing without --rerank"),
        (["--checkpoint", "c", "--data", "d", "--ranks", "3"], "--ranks does nothing without --g"),
        (["--checkpoint", "c", "--data", "d", "--maps-html", "m", "--ranks", "3"], "--ranks does"),
        (["--checkpoint", "c", "--data", "d", "--count", "3"], "--count does nothing without"),
        (["--checkpoint", "c", "--data", "d", "--maps-against", "x"], "without --maps-html"),
        (["--checkpoint", "c", "--data", "d", "--feature", "both"], "invalid choice: 'both'"),
        (["--checkpoint", "c", "--data", "d", "--batch-size", "0"], "a whole number from 1"),
    ],
)
def test_a_wrong_command_line_ends_with_2_and_says_why(
    capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(options)
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--per-query", "nowhere/x.csv"], "names a file in nowhere, which is no folder"),
        (["--features", "one.pt"], "both name one.pt"),
        (["--gallery-html", "one.pt"], "names one.pt, which cannot be a folder"),
        (["--gallery-html", "page", "--maps-html", "page"], "both name index.html"),
        (["--maps-html", "m", "--maps-against", "none.pt"], "none.pt"),
    ],
)
def test_what_cannot_be_written_or_read_is_said_before_the_work(
    checkpoints: Path,
    tiny_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    words: str,
) -> None:
    shutil.copyfile(checkpoints / "one.pt", tmp_path / "one.pt")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(EMBED, lambda *_: pytest.fail("it began"))
    assert main(["--checkpoint", "one.pt", "--data", str(tiny_folder), *options]) == 1
    out, err = capsys.readouterr()
    assert words in err
    assert (out, err.count("\n")) == ("", 1)


def test_a_full_disk_is_said_with_data_set_and_file_and_leaves_no_half_page(
    evaluate: Evaluate,
    tiny_folder: Path,
    drawn: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The third picture of the page finds no room; an earlier page stays with its pictures."""
    data, page = ("--data", f"market_layout={tiny_folder}"), tmp_path / "page"
    evaluate(*data, "--gallery-html", page, "--count", "1")
    before = {file: file.read_bytes() for file in page.rglob("*") if file.is_file()}
    capsys.readouterr()
    write, pictures = Path.write_bytes, []

    def nearly_full(file: Path, content: bytes) -> int:
        if file.parent.name == "pictures":
            pictures.append(file)
            if len(pictures) == 3:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(file, content)

    monkeypatch.setattr(Path, "write_bytes", nearly_full)
    got = evaluate(*data, "--gallery-html", page, status=1)
    out, err = capsys.readouterr()
    assert f"market_layout: {pictures[-1]} cannot be written (No space left on device)" in err
    assert {file: file.read_bytes() for file in page.rglob("*") if file.is_file()} == before
    assert (len(got["results"]), got["failed"]) == (1, ["market_layout"])
    assert out.splitlines()[-1] == f"See {tmp_path / 'scores.json'}."  # and not the earlier page


def test_all_that_was_written_is_named_and_nothing_else(
    evaluate: Evaluate, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What another evaluation left is there as well."""
    names = ("rows_bad.csv", "f_bad.npz", "rows_drawn0.csv")
    for name in names:
        (tmp_path / name).touch()
    options = ["--per-query", tmp_path / "rows.csv", "--features", tmp_path / "f.npz"]
    options += ["--gallery-html", tmp_path / "lists", "--maps-html", tmp_path / "maps"]
    options += ["--count", "1", "--data", drawn, "--data", tmp_path / "bad"]
    evaluate(*options, status=1)
    seen = [line for line in capsys.readouterr().out.splitlines() if line.startswith("See ")]
    slug = drawn.name.replace("-", "_")
    pages = [tmp_path / kind / slug / "index.html" for kind in ("lists", "maps")]
    written = [tmp_path / name for name in ("scores.json", f"rows_{slug}.csv", f"f_{slug}.npz")]
    assert seen == [f"See {file}." for file in (*written, *pages)]


def test_the_queries_are_ranked_once_for_both_pages(
    evaluate: Evaluate, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def counted(*arguments: Any, **options: Any) -> list[RankedList]:
        calls.append(arguments)
        return ranked_lists(*arguments, **options)

    monkeypatch.setattr(evaluate_pages, "ranked_lists", counted)
    pages = ["--gallery-html", tmp_path / "lists", "--maps-html", tmp_path / "maps"]
    evaluate("--data", drawn, "--count", "1", *pages)
    assert len(calls) == 1


def test_two_checkpoints_of_one_name_are_told_apart(
    checkpoints: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    files = []
    for run, mode in (("a", "none"), ("b", "pos_neg")):
        saved = read_network(checkpoints / "one.pt")
        files.append(tmp_path / run / "found" / "best.pt")
        files[-1].parent.mkdir(parents=True)
        info = {"alignment": mode, "seed": 7, "epoch": 3}
        save_network(files[-1], network_from(saved), saved.blueprint, info=info)
    options = ["--checkpoint", files[0], "--maps-against", files[1], "--data", tiny_folder]
    options += ["--maps-html", tmp_path / "maps", "--count", "1", "--device", "cpu"]
    assert main([str(option) for option in options]) == 0
    words = Page(tmp_path / "maps" / "index.html").words
    assert "1: found/best.ptalignment none, seed 7, epoch 3" in words
    assert "2: found/best.ptalignment pos_neg, seed 7, epoch 3" in words


def test_what_is_no_network_is_refused_by_what_it_is(
    evaluate: Evaluate, tiny_folder: Path, checkpoints: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkpoints / "weights.pt").write_bytes(b"no network")
    (checkpoints / "run.pt").mkdir()
    torch.save({"weights": 1}, checkpoints / "search.pt")
    said = {
        "weights": "weights.pt is no network, or not a whole file: give what a training wrote",
        "run": f"run.pt is a folder: give a file in it, such as {checkpoints / 'run.pt/best.pt'}",
        "search": "search.pt is not a network of this project",
        "none": "none.pt",
    }
    for name, words in said.items():
        assert evaluate("--data", tiny_folder, status=1, checkpoint=name) == {}
        out, err = capsys.readouterr()
        assert words in err
        assert (out, err.count("\n")) == ("", 1)
