"""What ``reid-nas check`` says of a data set, for readers."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from textwrap import fill

from reid_data.check import Examination, PartFacts, Spread
from reid_data.check_findings import Finding
from reid_data.parts import PICTURE_COUNTS
from reid_data.records import UNKNOWN_CAMERA, Protocol

_MOST_BINS = 10
_WIDTH = 100
"""Characters of a line of words."""
_BAR = 40
"""Characters of a histogram's longest bar."""
_BINS = (1, 2, 5)
"""Nice widths of a bin, times powers of ten."""


_COLOURS = {"1": "black and white", "L": "grey", "LA": "grey with alpha", "P": "of a palette"}
"""Pillow's words for colours in a reader's; others are as good as Pillow's."""


def report(examination: Examination, *, block: str = "#") -> str:
    """The whole examination as text; errors and warnings come last, and ``OK`` if there is none.

    Args:
        examination: what was found.
        block: the character that histograms are drawn with.
    """
    sections = [
        _head(examination),
        _counts(examination),
        _table("pictures", [part.name for part in examination.parts], _part_rows(examination)),
        _cameras(examination.parts),
        *(_histogram(part.name, part.spread, block) for part in examination.parts if part.spread),
        _notes(examination),
        _findings("Errors", examination.errors),
        _findings("Warnings", examination.warnings),
        verdict(examination),
    ]
    return "\n\n".join(filter(None, sections))


def verdict(examination: Examination) -> str:
    """``OK``, or how many errors and warnings there are."""
    counts = {"error": len(examination.errors), "warning": len(examination.warnings)}
    said = [f"{n} {word}{'s' if n > 1 else ''}" for word, n in counts.items() if n]
    return ", ".join(said) or "OK"


def bins(histogram: Mapping[int, int]) -> list[tuple[int, int, int]]:
    """A histogram of positive numbers in at most ten bins of equal, nice width.

    Args:
        histogram: number of pictures -> identities that have so many, not empty.

    Returns:
        First and last number of each bin, and the identities in it; widths are 1, 2, 5, 10, ...
        and a bin ends at a multiple of the width.
    """
    low, high = min(histogram), max(histogram)
    widths = (nice * 10**power for power in range(high) for nice in _BINS)
    width = next(w for w in widths if (high - 1) // w - (low - 1) // w < _MOST_BINS)
    counts = dict.fromkeys(range((low - 1) // width, (high - 1) // width + 1), 0)
    for pictures, identities in histogram.items():
        counts[(pictures - 1) // width] += identities
    return [(place * width + 1, (place + 1) * width, n) for place, n in counts.items()]


def _head(examination: Examination) -> str:
    rows = {
        "data set": examination.name,
        "layout": examination.layout,
        "folder": str(examination.folder),
        "protocol": _protocol(examination.protocol),
    }
    return "\n".join(f"{key:<9} {value}" for key, value in rows.items())


def _protocol(protocol: Protocol) -> str:
    rule = "camera rule" if protocol.camera_rule else "no camera rule"
    drawn = [f"gallery drawn {protocol.repeats} times"] if protocol.repeats else []
    junk = [f"junk {', '.join(map(str, sorted(protocol.junk)))}"] if protocol.junk else []
    nobody = sorted(protocol.distractors)
    return "; ".join(
        [rule, *drawn, *junk, *([f"distractors {', '.join(map(str, nobody))}"] if nobody else [])]
    )


def _counts(examination: Examination) -> str:
    """What was counted, beside the known counts where there are any."""
    rows = []
    for key, found in examination.counts.items():
        known = examination.known.get(key)
        label = f"{key} pictures" if key in PICTURE_COUNTS else key
        rows.append((label, f"{found:,}", "-" if known is None else f"{known:,}"))
    if examination.known:
        return _table("counts", ("found", "known"), rows)
    return _table("counts", ("found",), [row[:2] for row in rows])


def _part_rows(examination: Examination) -> Iterator[tuple[str, ...]]:
    parts = examination.parts
    yield "files", *(f"{part.files:,}" for part in parts)
    yield "of junk", *(f"{part.junk:,}" for part in parts)
    yield "of distractors", *(f"{part.distractors:,}" for part in parts)
    yield "identities", *(f"{part.identities:,}" for part in parts)
    yield "cameras", *(_cameras_of(part) for part in parts)
    yield "median size", *(_size(part.median_size) for part in parts)
    yield "smallest", *(_size(part.smallest) for part in parts)


def _cameras_of(part: PartFacts) -> str:
    stated = len(part.cameras.keys() - {UNKNOWN_CAMERA})
    return f"{stated:,}" if stated else "not stated"


def _size(size: tuple[int, int] | None) -> str:
    return f"{size[0]} x {size[1]}" if size else "-"


def _cameras(parts: Sequence[PartFacts]) -> str:
    cameras = sorted({camera for part in parts for camera in part.cameras})
    if cameras in ([], [UNKNOWN_CAMERA]):
        return ""
    rows = (
        (
            "none" if camera == UNKNOWN_CAMERA else f"{camera:>6}",
            *(f"{part.cameras.get(camera, 0):,}" for part in parts),
        )
        for camera in cameras
    )
    return _table("camera", [part.name for part in parts], rows)


def _histogram(name: str, spread: Spread, block: str) -> str:
    identities = sum(spread.histogram.values())
    head = (
        f"pictures of {identities:,} {name} {'identity' if identities == 1 else 'identities'}:"
        f" {spread.least:,} to {spread.most:,}, median {spread.median:g}, mean {spread.mean:.1f}"
    )
    rows = bins(spread.histogram)
    labels = [f"{low}" if low == high else f"{low}-{high}" for low, high, _ in rows]
    wide, most = max(map(len, labels)), max(count for *_, count in rows)
    lines = (
        f"  {label:>{wide}} |{block * -(-_BAR * count // most)} {count:,}"
        for label, (*_, count) in zip(labels, rows, strict=True)
    )
    return "\n".join([head, *lines])


def _notes(examination: Examination) -> str:
    notes = []
    modes = sorted({mode for part in examination.parts for mode in part.modes} - {"RGB"})
    if modes:
        counts = (
            f"{sum(part.modes.get(mode, 0) for part in examination.parts):,}"
            f" {_COLOURS.get(mode, mode)}"
            for mode in modes
        )
        notes.append(f"pictures that become RGB when read: {', '.join(counts)}")
    if examination.mirrored:
        notes.append(
            f"query pictures that lie in the gallery too, where the camera rule leaves them out:"
            f" {examination.mirrored:,}"
        )
    return "\n".join(notes)


def _findings(title: str, findings: Sequence[Finding]) -> str:
    lines = [
        fill(
            one.words,
            _WIDTH,
            initial_indent="  ",
            subsequent_indent="    ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for one in findings
    ]
    return "\n".join([title, *lines]) if findings else ""


def _table(corner: str, heads: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """Aligned text: the first column to the left, the others to the right."""
    table = [(corner, *heads), *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in table
    )
