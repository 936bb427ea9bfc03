"""What ``reid-nas check`` says of a data set, for programs."""

from typing import Any

from reid_data.check import Examination, PartFacts, Spread
from reid_data.check_findings import Finding


def to_dict(examination: Examination) -> dict[str, Any]:
    """An examination as JSON has it: files are named relative to the data set's folder.

    Histograms are lists of ``{"pictures": n, "identities": m}``, sizes ``[width, height]``; the
    camera -1 stands for pictures whose camera is not stated.
    """
    protocol = examination.protocol
    return {
        "name": examination.name,
        "layout": examination.layout,
        "protocol": {
            "camera_rule": protocol.camera_rule,
            "junk": sorted(protocol.junk),
            "distractors": sorted(protocol.distractors),
            "repeats": protocol.repeats,
        },
        "counts": dict(examination.counts),
        "known_counts": dict(examination.known),
        "parts": {part.name: _part(part) for part in examination.parts},
        "duplicates": [
            {"files": list(one.files), "parts": list(one.parts), "identities": list(one.identities)}
            for one in examination.copies
        ],
        "query_pictures_in_gallery": examination.mirrored,
        "errors": [_finding(finding) for finding in examination.errors],
        "warnings": [_finding(finding) for finding in examination.warnings],
        "ok": not examination.errors,
    }


def _part(part: PartFacts) -> dict[str, Any]:
    return {
        "files": part.files,
        "junk": part.junk,
        "distractors": part.distractors,
        "identities": part.identities,
        "cameras": {str(camera): pictures for camera, pictures in part.cameras.items()},
        "pictures_per_identity": _spread(part.spread),
        "median_size": part.median_size and list(part.median_size),
        "smallest": part.smallest and list(part.smallest),
        "modes": dict(part.modes),
    }


def _spread(spread: Spread | None) -> dict[str, Any] | None:
    if spread is None:
        return None
    return {
        "min": spread.least,
        "median": spread.median,
        "mean": spread.mean,
        "max": spread.most,
        "histogram": [
            {"pictures": pictures, "identities": identities}
            for pictures, identities in spread.histogram.items()
        ],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {"kind": finding.kind, "message": finding.words, "names": list(finding.names)}
