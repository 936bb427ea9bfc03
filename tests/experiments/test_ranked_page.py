"""Every number, word and picture on a page of ranked lists is that of the features it shows.

Letters: Q queries, G gallery pictures.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from jaxtyping import Float
from PIL import Image

from evaluators.feature_file import read_features
from evaluators.retrieval import MARKET_RULES, retrieve
from experiments.evaluate_command import main
from experiments.pages.ranked_lists import Entry, RankedList
from experiments.ranked_page import Ranked, write_ranked_page
from nas_space.genotype import FIXED
from nas_space.networks import Blueprint, save_network
from reid_data.catalog import load_dataset
from reid_data.records import ReidDataset, Sighting
from reid_data.synthetic import SyntheticSettings, write

COUNT, RANKS = 5, 3
ALONE = {"meta", "img", "br", "wbr", "input", "path"}


class Node:
    """An element of a page, or a text, which is called ``""``."""

    def __init__(self, tag: str, attributes: dict[str, str], text: str = "") -> None:
        self.tag, self.attributes, self._text = tag, attributes, text
        self.inside: list[Node] = []

    @property
    def text(self) -> str:
        return self._text + "".join(one.text for one in self.inside)

    def all(self, tag: str, class_: str = "") -> "list[Node]":
        return [one for one in self.walk() if one.tag == tag and class_ in one.classes]

    @property
    def classes(self) -> list[str]:
        return ["", *self.attributes.get("class", "").split()]

    def walk(self) -> "Iterator[Node]":
        yield self
        for one in self.inside:
            yield from one.walk()


class Tree(HTMLParser):
    """A page as its elements."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.root = Node("page", {})
        self._open = [self.root]
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, {name: value or "" for name, value in attrs})
        self._open[-1].inside.append(node)
        if tag not in ALONE:
            self._open.append(node)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        self._open[-1].inside.append(Node("", {}, data))


class Shown(NamedTuple):
    """What the command made of a data set."""

    folder: Path
    page: Node
    rows: pd.DataFrame
    """Of each query, in the order of the data set."""
    similarity: Float[np.ndarray, "Q G"]
    dataset: ReidDataset


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """Four identities by three cameras, two pictures each: several are right."""
    settings = SyntheticSettings(
        train_identities=2, test_identities=4, cameras=3, shots=2, distractors=3, junk=1
    )
    folder = tmp_path_factory.mktemp("page")
    data = write(settings, folder)
    blueprint = Blueprint(
        genotype=FIXED["uniform_none"], height=32, width=16, channel_factor=0.125, depths=(1, 1)
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        save_network(folder / "best.pt", blueprint.build(), blueprint, info={"trained_on": "zoo"})
    rows, features = folder / "rows.csv", folder / "f.npz"
    options = ["--checkpoint", folder / "best.pt", "--data", data, "--device", "cpu"]
    options += ["--per-query", rows, "--features", features, "--gallery-html", folder / "page"]
    options += ["--queries", "best", "--count", COUNT, "--ranks", RANKS]
    assert main([str(one) for one in options]) == 0
    query, gallery = (
        torch.nn.functional.normalize(part.vectors)
        for part in read_features(features, MARKET_RULES)
    )
    text = (folder / "page" / "index.html").read_text(encoding="utf-8")
    return Shown(
        folder / "page",
        Tree(text).root,
        pd.read_csv(rows),
        (query @ gallery.T).numpy(),
        load_dataset("market_layout", data),
    )


def picture_of(shown: Shown, node: Node, among: tuple[Sighting, ...]) -> Sighting:
    """Whose picture an element loads: that of the nearest pixels, by far."""
    (image,) = node.all("img")
    with Image.open(shown.folder / image.attributes["src"]) as drawn:
        seen = np.asarray(drawn.convert("RGB"), dtype=float)

    def off(one: Sighting) -> float:
        with Image.open(one.path) as own:
            return float(np.abs(seen - np.asarray(own.convert("RGB"), dtype=float)).mean())

    first, second, *_ = sorted(among, key=off)
    assert off(first) < off(second) / 2
    return first


def who(one: Sighting) -> str:
    return f"identity {one.identity}, camera {one.camera}"


def caption(one: Sighting, first: str) -> str:
    part = one.path.parent.name
    return f"{first}id {one.identity}, cam {one.camera} {part}/{one.path.name}"


def expected_list(shown: Shown, query: int) -> list[tuple[int, str, int | None]]:
    """The whole gallery: its place in the data set, its kind and its rank; the nearest first."""
    asked, rank = shown.dataset.query[query], 0
    found: list[tuple[int, str, int | None]] = []
    for place in np.argsort(-shown.similarity[query]):
        one = shown.dataset.gallery[place]
        same = one.identity == asked.identity
        if same and one.camera == asked.camera:
            found.append((int(place), "out", None))
        else:
            rank += 1
            found.append((int(place), "right" if same else "wrong", rank))
    return found


@pytest.mark.parametrize("choice", ["worst", "best", "random"])
def test_a_card_says_of_a_query_what_its_features_say(shown: Shown, choice: str) -> None:
    (section,) = [
        one for one in shown.page.all("section") if one.attributes["id"] == f"{choice}-queries"
    ]
    cards = section.all("article")
    scores = shown.rows["average_precision"].to_numpy()
    queries = []
    for card in cards:
        (asked,) = card.all("figure", "query")
        sighting = picture_of(shown, asked, shown.dataset.query)
        query = shown.dataset.query.index(sighting)
        queries.append(query)
        assert asked.all("figcaption")[0].text == caption(sighting, "Query")
        whole = expected_list(shown, query)
        right = [rank for _, kind, rank in whole if kind == "right" and rank is not None]
        assert sum(k / rank for k, rank in enumerate(right, 1)) / len(right) == pytest.approx(
            scores[query]
        )
        title, precision, first, count = (one.text for one in card.all("div", "head")[0].inside)
        assert title == who(sighting)
        assert precision == f"AP {100 * scores[query]:.1f} %"
        assert first == f"first right at rank {right[0]}"
        near = sum(rank <= RANKS for rank in right)
        assert count == f"{near} of {len(right)} right pictures in the first {RANKS}"
        check_entries(shown, card, query, whole)
    assert len(queries) == len(set(queries)) == COUNT
    if choice != "random":
        ordered = sorted(scores, reverse=choice == "best")
        assert scores[queries].tolist() == ordered[:COUNT]


def check_entries(
    shown: Shown, card: Node, query: int, whole: list[tuple[int, str, int | None]]
) -> None:
    """The pictures of a card: those before the last rank shown, and the first right one."""
    last = next(place for place, (_, _, rank) in enumerate(whole) if rank == RANKS)
    expected = whole[: last + 1]
    if all(kind != "right" for _, kind, _ in expected):
        expected.append(next(one for one in whole if one[1] == "right"))
    items = card.all("li")
    assert len(items) == len(expected)
    for place, (item, (row, kind, rank)) in enumerate(zip(items, expected, strict=True)):
        one = shown.dataset.gallery[row]
        beyond = place > last
        assert picture_of(shown, item, shown.dataset.gallery) == one
        assert item.classes[1:] == [kind, *(["beyond"] if beyond else [])]
        said = "left out" if rank is None else f"{rank} {kind}"
        assert item.all("span", "badge")[0].text == said
        text = item.all("figcaption")[0].text
        cosine = re.search(r"cos (-?[\d.]+)id", text)
        assert cosine is not None
        assert float(cosine[1]) == pytest.approx(shown.similarity[query, row], abs=6e-5)
        begin = "\N{HORIZONTAL ELLIPSIS} first right, " if beyond else ""
        assert text == caption(one, f"{begin}{cosine[0].removesuffix('id')}")
        assert item.all("img")[0].attributes["alt"] == who(one)


def test_the_head_of_the_page_says_what_all_queries_say(shown: Shown) -> None:
    rows, dataset = shown.rows, shown.dataset
    names = [one.text for one in shown.page.all("dt")]
    values = [one.text for one in shown.page.all("dd")]
    facts = dict(zip(names, values, strict=True))
    assert facts["mAP"] == f"{100 * rows['average_precision'].mean():.2f} %"
    ranks = [
        min(rank for _, kind, rank in expected_list(shown, q) if kind == "right" and rank)
        for q in range(len(rows))
    ]
    assert facts["rank-1"] == f"{100 * np.mean([rank == 1 for rank in ranks]):.2f} %"
    assert (facts["queries"], facts["gallery"]) == (
        f"{len(dataset.query)}",
        f"{len(dataset.gallery)} pictures",
    )
    (subtitle,) = shown.page.all("p", "muted")
    for words in (
        "Market-1501's layout",
        "best.pt: msinet, 32 x 16 pixels, trained on zoo",
        "feature pooled",
    ):
        assert words in subtitle.text
    (legend,) = shown.page.all("p", "legend")
    assert "left out: the query's own identity by its own camera" in legend.text


def test_the_bars_count_queries_by_their_average_precision(shown: Shown) -> None:
    counts, _ = np.histogram(shown.rows["average_precision"], bins=20, range=(0, 1))
    (spread,) = shown.page.all("span", "spread")
    bars = spread.all("i")
    for at, (bar, count) in enumerate(zip(bars, counts, strict=True)):
        words = f"AP {5 * at} to {5 * at + 5} %: {count} {'query' if count == 1 else 'queries'}"
        assert bar.attributes["title"] == words
        assert bar.attributes["style"] == f"height:{math.ceil(44 * count / counts.max())}px"
        assert (words in spread.attributes["aria-label"]) == (count > 0)


def test_what_is_seen_first_and_how_many_are_behind_each_tab(shown: Shown) -> None:
    (chosen,) = [one for one in shown.page.all("input") if "checked" in one.attributes]
    assert chosen.attributes["id"] == "best"
    tabs = {one.attributes["for"]: one.text for one in shown.page.all("label")}
    assert tabs == {choice: f"{COUNT} {choice} queries" for choice in ("worst", "best", "random")}


def ranked_by_hand(shown: Shown, entries: tuple[Entry, ...]) -> Ranked:
    """One list of the first query."""
    one = RankedList(0, 0.5, (2,), entries, None)
    return Ranked(
        "t", "s", {}, shown.dataset.query, shown.dataset.gallery, lambda one: one.path.name,
        retrieve(*read_features(shown.folder.parent / "f.npz", MARKET_RULES), MARKET_RULES),
        {"worst": [one], "best": [], "random": []}, "worst", camera_rule=True,
    )  # fmt: skip


def test_of_many_that_are_left_out_three_are_seen(shown: Shown, tmp_path: Path) -> None:
    """Five before rank 1, three before rank 2: three and a note, one, three without a note."""
    kinds = [None] * 5 + [1] + [None] * 3 + [2]
    entries = tuple(Entry(row, 0.5, rank, rank == 2) for row, rank in enumerate(kinds))
    page = Tree(write_ranked_page(tmp_path, ranked_by_hand(shown, entries)).read_text()).root
    items = page.all("li")
    assert [item.classes[1] for item in items] == [
        *["out"] * 3,
        "more",
        "wrong",
        *["out"] * 3,
        "right",
    ]
    assert items[3].text == "+2 left out"
    assert page.all("label")[0].text == "1 worst query"


def test_a_card_has_the_shape_of_most_pictures(shown: Shown, tmp_path: Path) -> None:
    """A query of 16 x 32, and in the gallery one of 60 x 40 and one of 30 x 20."""
    gallery = list(shown.dataset.gallery)
    for row, size in enumerate(((60, 40), (30, 20))):
        gallery[row] = replace(gallery[row], path=tmp_path / f"{row}.png")
        Image.new("RGB", size).save(gallery[row].path)
    entries = (Entry(0, 0.5, 1, False), Entry(1, 0.5, 2, True))
    ranked = replace(ranked_by_hand(shown, entries), gallery=gallery)
    page = write_ranked_page(tmp_path / "page", ranked).read_text()
    assert re.findall(r"--aspect:([\d.]+)", page) == ["1.5000"]
