"""A page of ranked lists: what a network takes for a query's identity, picture by picture."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

import torch

from evaluators.retrieval import Retrieval
from experiments.pages.html import Html, breakable, document, element, joined
from experiments.pages.ranked_lists import CHOICES, Choice, Entry, RankedList
from experiments.pages.style import RANKED, STYLE
from experiments.pages.thumbnails import Thumbnails, write_page
from reid_data.records import Sighting

_SIGNS = {
    "right": "M2 6.6 4.8 9.4 10 2.8",
    "wrong": "M2.5 2.5l7 7M9.5 2.5l-7 7",
    "out": "M2.5 6h7",
}
"""Tick, cross and dash, in a square of 12."""

_BARS = 20

_LEFT_OUT = 3
"""Pictures that are shown of those left out one behind the other."""


@dataclass(frozen=True)
class Ranked:
    """What a page shows.

    Attributes:
        title: of the page.
        subtitle: what was searched, by which network.
        facts: name -> value, in this order.
        query: the pictures asked for.
        gallery: the pictures searched in.
        file_of: a picture's file as the data set names it.
        retrieval: the scores of all queries.
        lists: which queries -> their rankings.
        first: which queries are seen first.
        camera_rule: whether pictures are left out by it.
    """

    title: str
    subtitle: str
    facts: Mapping[str, str]
    query: Sequence[Sighting]
    gallery: Sequence[Sighting]
    file_of: Callable[[Sighting], str]
    retrieval: Retrieval
    lists: Mapping[Choice, Sequence[RankedList]]
    first: Choice
    camera_rule: bool


def write_ranked_page(folder: Path, ranked: Ranked) -> Path:
    """Write ``index.html`` and a folder of small pictures, which need no network and no program.

    Args:
        folder: made if missing; a page in it is replaced.
        ranked: what is shown.

    Returns:
        The page.

    Raises:
        ValueError: if a picture cannot be read, or a file not be written.
    """
    return write_page(folder, partial(_page, ranked))


def _page(ranked: Ranked, thumbnails: Thumbnails) -> str:
    sections = [_section(choice, ranked, thumbnails) for choice in CHOICES]
    return document(
        ranked.title,
        STYLE + RANKED + _switches() + f":root{{--aspect:{thumbnails.aspect:.4f}}}",
        element("h1", ranked.title),
        element("p", ranked.subtitle, class_="muted"),
        _facts(ranked),
        _legend(ranked.camera_rule),
        *(_choice(choice, checked=choice == ranked.first) for choice in CHOICES),
        element("nav", *(_tab(choice, ranked) for choice in CHOICES), class_="tabs"),
        *sections,
    )


def _switches() -> str:
    """Which queries are seen, by the radio button that is chosen: no program is needed."""
    shown = ",".join(f"#{c}:checked~#{c}-queries" for c in CHOICES)
    chosen = ",".join(f"#{c}:checked~.tabs label[for={c}]" for c in CHOICES)
    focused = ",".join(f"#{c}:focus-visible~.tabs label[for={c}]" for c in CHOICES)
    return (
        f"{shown}{{display:block}}"
        f"{chosen}{{background:var(--accent);border-color:var(--accent);color:var(--on);"
        "font-weight:600}"
        f"{focused}{{outline:3px solid var(--accent);outline-offset:2px}}"
    )


def _choice(choice: Choice, *, checked: bool) -> Html:
    return element(
        "input", type="radio", name_="choice", id=choice, class_="choice", checked=checked
    )


def _tab(choice: Choice, ranked: Ranked) -> Html:
    """Says how many queries are behind it."""
    count = len(ranked.lists[choice])
    words = f"{_number(count, f'{choice} query', f'{choice} queries')}"
    return element("label", words, for_=choice)


def _facts(ranked: Ranked) -> Html:
    facts = [
        element("div", element("dt", name), element("dd", value))
        for name, value in ranked.facts.items()
    ]
    return element("dl", *facts, _spread(ranked.retrieval), class_="facts")


def _spread(retrieval: Retrieval) -> Html:
    """How many queries have which average precision."""
    scores = retrieval.average_precision.cpu()
    counts = torch.histc(scores, bins=_BARS, min=0, max=1).int().tolist()
    bars = [
        element("i", style=f"height:{math.ceil(44 * count / max(counts))}px", title=_bar(at, count))
        for at, count in enumerate(counts)
    ]
    words = "; ".join(_bar(at, count) for at, count in enumerate(counts) if count)
    return element(
        "div",
        element("dt", f"Queries by AP, highest bar {max(counts):,}"),
        element(
            "dd",
            element("span", *bars, class_="spread", role="img", aria_label=words),
            element("span", element("span", "0 %"), element("span", "100 %"), class_="scale"),
        ),
    )


def _bar(at: int, count: int) -> str:
    step = 100 // _BARS
    return f"AP {step * at} to {step * (at + 1)} %: {_number(count, 'query', 'queries')}"


def _legend(camera_rule: bool) -> Html:
    meanings = {"right": "right: the query's identity", "wrong": "wrong: another identity"}
    if camera_rule:
        meanings["out"] = (
            "left out: the query's own identity by its own camera, or junk; it has no rank, and"
            " stands where it would have had one"
        )
    keys = [
        element("span", element("span", _sign(kind), class_=f"sign {kind}"), words)
        for kind, words in meanings.items()
    ]
    return element("p", *keys, class_="legend")


def _sign(kind: str) -> Html:
    stroke = element("path", d=_SIGNS[kind])
    return element("svg", stroke, viewBox="0 0 12 12", aria_hidden="true")


def _section(choice: Choice, ranked: Ranked, thumbnails: Thumbnails) -> Html:
    rows = [_row(one, ranked, thumbnails) for one in ranked.lists[choice]]
    return element("section", *rows, id=f"{choice}-queries", class_="queries")


def _row(one: RankedList, ranked: Ranked, thumbnails: Thumbnails) -> Html:
    query = ranked.query[one.query]
    picture = thumbnails.image(query.path, alt=f"query: {_who(query)}")
    asked = element(
        "figure",
        element("div", picture, class_="well"),
        _caption(element("strong", "Query"), query, ranked.file_of(query)),
        class_="query",
    )
    entries = [item for run in _runs(one.shown) for item in _items(run, ranked, thumbnails)]
    if one.beyond is not None:
        entries.append(_entry(one.beyond, ranked, thumbnails, beyond=True))
    return element(
        "article",
        _head(one, query),
        element("div", asked, element("ol", *entries, class_="ranks"), class_="row"),
        class_="card",
    )


def _runs(shown: Sequence[Entry]) -> list[list[Entry]]:
    """Pictures that are left out one behind the other together, and the others together."""
    return [list(run) for _, run in groupby(shown, lambda entry: entry.rank is None)]


def _items(run: Sequence[Entry], ranked: Ranked, thumbnails: Thumbnails) -> list[Html]:
    """All that are ranked; of a run of those left out the first few, and how many more."""
    few = run if run[0].rank is not None else run[:_LEFT_OUT]
    items = [_entry(entry, ranked, thumbnails) for entry in few]
    if len(few) < len(run):
        items.append(element("li", f"+{len(run) - len(few):,} left out", class_="more"))
    return items


def _head(one: RankedList, query: Sighting) -> Html:
    ranked = [entry for entry in one.shown if entry.rank is not None]
    right = sum(entry.relevant for entry in ranked)
    return element(
        "div",
        element("h2", _who(query)),
        element("p", "AP ", element("b", f"{100 * one.average_precision:.1f} %")),
        element("p", "first right at rank ", element("b", f"{one.hits[0]:,}")),
        element(
            "p",
            element("b", f"{right:,}"),
            f" of {_number(len(one.hits), 'right picture', 'right pictures')} in the first"
            f" {len(ranked):,}",
        ),
        class_="head",
    )


def _number(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _entry(entry: Entry, ranked: Ranked, thumbnails: Thumbnails, *, beyond: bool = False) -> Html:
    sighting = ranked.gallery[entry.row]
    kind, said = _kind(entry)
    rank = "" if entry.rank is None else f"{entry.rank:,}"
    return element(
        "li",
        element(
            "figure",
            element(
                "div",
                thumbnails.image(sighting.path, alt=_who(sighting)),
                element(
                    "span", _sign(kind), rank, element("span", said, class_="said"), class_="badge"
                ),
                class_="well",
            ),
            _caption(
                joined(
                    [
                        "\N{HORIZONTAL ELLIPSIS} first right, " if beyond else "",
                        "cos ",
                        element("strong", f"{entry.similarity:.4f}"),
                    ]
                ),
                sighting,
                ranked.file_of(sighting),
            ),
        ),
        class_=f"{kind} beyond" if beyond else kind,
    )


def _kind(entry: Entry) -> tuple[str, str]:
    """Its class, and the same for who cannot see it."""
    if entry.rank is None:
        return "out", "left out"
    return ("right", " right") if entry.relevant else ("wrong", " wrong")


def _caption(first: Html, sighting: Sighting, file: str) -> Html:
    camera = f", cam {sighting.camera}" if sighting.camera >= 0 else ""
    return element(
        "figcaption",
        first,
        element("br"),
        f"id {sighting.identity}{camera} ",
        element("small", breakable(file)),
    )


def _who(sighting: Sighting) -> str:
    camera = f", camera {sighting.camera}" if sighting.camera >= 0 else ""
    return f"identity {sighting.identity}{camera}"
