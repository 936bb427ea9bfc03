"""The features of query and gallery in one ``.npz`` file, as any program with numpy can write it.

Letters: Q query pictures, G gallery pictures, N of either part, D dimensions.
"""

import lzma
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int
from torch import Tensor

from evaluators.retrieval import Features
from evaluators.similarity import check_finite
from nas_space.replacing import replaced
from reid_data.records import Protocol

PARTS = ("query", "gallery")

UNKNOWN_CAMERA = -1
"""Of every picture in a file that does not name cameras."""

_NAMES: Mapping[str, tuple[str, str]] = {
    "features": ("features", "f"),
    "ids": ("ids", "label"),
    "cameras": ("cameras", "cam"),
}
"""What a part has -> the ending of its key, and the one of ``pytorch_result.mat``, the file in
which the first person baselines left their features."""

Array = npt.NDArray[Any]


class QueryAndGallery(NamedTuple):
    """What a file holds."""

    query: Features
    gallery: Features


def save_features(file: Path, query: Features, gallery: Features | None = None) -> None:
    """Replace ``file`` by one that `read_features` reads back as it was.

    Vectors keep their type (bfloat16, which numpy lacks, becomes float32). Cameras are left out
    where no picture has one, so that a reader does not take -1 for the camera of all of them.

    Args:
        file: ends with ``.npz``; its folder must exist.
        query: pictures asked for.
        gallery: pictures searched in; None, saved as no pictures, where the protocol draws it.
    """
    if gallery is None:
        gallery = Features(query.vectors[:0], query.identities[:0], query.cameras[:0])
    known = any(bool((part.cameras != UNKNOWN_CAMERA).any()) for part in (query, gallery))
    arrays: dict[str, Array] = {}
    for name, part in zip(PARTS, (query, gallery), strict=True):
        arrays[f"{name}_features"] = _array(part.vectors)
        arrays[f"{name}_ids"] = _array(part.identities)
        if known:
            arrays[f"{name}_cameras"] = _array(part.cameras)

    def write(draft: Path) -> None:
        with draft.open("wb") as out:
            np.savez(out, allow_pickle=False, **arrays)

    replaced(file, write)


def read_features(file: Path, protocol: Protocol) -> QueryAndGallery:
    """What a file holds, checked so far that only scoring it can still fail.

    The keys are ``query_features`` [Q, D], ``query_ids`` [Q], ``query_cameras`` [Q] and the same
    for the gallery; ``query_f``, ``query_label`` and ``query_cam`` are read as well. Features are
    float16, float32 or float64 of any length, identities and cameras whole numbers.

    Args:
        file: a ``.npz`` file.
        protocol: with its camera rule the cameras are needed, and else they may be missing (they
            are then -1); where it draws the gallery, one of the parts may be empty.

    Raises:
        ValueError: if the file is missing or not as above, the two sides differ in dimensions, a
            part is empty, or a vector is not finite.
    """
    arrays = _Arrays(file)
    query, gallery = (_part(arrays, part, protocol.camera_rule) for part in PARTS)
    if query.vectors.shape[1] != gallery.vectors.shape[1]:
        raise ValueError(
            f"Query features have {query.vectors.shape[1]} dimensions in {file.name} and gallery"
            f" features {gallery.vectors.shape[1]}: both must come from the same network."
        )
    drawn = protocol.repeats > 0
    empty = [not len(query.vectors), not len(gallery.vectors)]
    if all(empty) or (any(empty) and not drawn):
        raise ValueError(
            f"{file.name} holds {len(query.vectors)} query and {len(gallery.vectors)} gallery"
            " pictures: at least one of each is needed."
        )
    for name, part in zip(PARTS, (query, gallery), strict=True):
        if len(part.vectors):
            check_finite(part.vectors, name)
    return QueryAndGallery(query, gallery)


class _Arrays:
    """The arrays of a file, read one by one; every fault of the file is a sentence."""

    def __init__(self, file: Path) -> None:
        if not file.is_file():
            raise ValueError(f"There is no file {file}: give a .npz file with features.")
        if not zipfile.is_zipfile(file):
            raise ValueError(
                f"{file.name} is no whole .npz file: write it with numpy.savez, or copy it again if"
                " it was one."
            )
        self.file = file
        with self._open() as found:
            self.keys = sorted(found.files)

    def key(self, part: str, name: str) -> str | None:
        """Under which key it lies, if it does."""
        return next((k for e in _NAMES[name] if (k := f"{part}_{e}") in self.keys), None)

    def get(self, part: str, name: str) -> tuple[str, Array]:
        """Its key and the array, in this machine's byte order."""
        key = self.key(part, name)
        if key is None:
            raise ValueError(
                f"{self.file.name} has no {part}_{name}: it holds"
                f" {', '.join(self.keys) or 'nothing'}, and query_features, query_ids,"
                " query_cameras and the same three of the gallery are needed"
                + (" (no cameras with --protocol none)." if name == "cameras" else ".")
            )
        with self._open() as found:
            try:
                array = found[key]
            except _BROKEN as error:
                raise ValueError(
                    f"{key} of {self.file.name} cannot be read ({type(error).__name__}: {error}):"
                    " save it as a plain array of numbers with numpy.savez."
                ) from error
        if not isinstance(array, np.ndarray):
            raise ValueError(
                f"{key} of {self.file.name} is no array: save it with numpy.savez, not by zipping."
            )
        return key, array.astype(array.dtype.newbyteorder("="), copy=False)

    def _open(self) -> Any:
        try:
            found = np.load(self.file, allow_pickle=False)
        except _BROKEN as error:
            raise ValueError(
                f"{self.file.name} cannot be read ({type(error).__name__}: {error}): write it with"
                " numpy.savez."
            ) from error
        return found


_BROKEN = (
    ValueError, EOFError, KeyError, OSError, NotImplementedError, RuntimeError, MemoryError,
    OverflowError, TypeError, IndexError, tokenize.TokenError, SyntaxError, RecursionError,
    zipfile.BadZipFile, zlib.error, lzma.LZMAError,
)  # fmt: skip
"""What numpy and zipfile raise over damaged, encrypted or pickled contents."""


def _part(arrays: _Arrays, part: str, cameras_needed: bool) -> Features:
    key, vectors = arrays.get(part, "features")
    v = _vectors(vectors, f"{key} of {arrays.file.name}")
    identities = _numbers(arrays, part, "ids", len(v))
    if cameras_needed or arrays.key(part, "cameras") is not None:
        return Features(v, identities, _numbers(arrays, part, "cameras", len(v)))
    return Features(v, identities, torch.full_like(identities, UNKNOWN_CAMERA))


def _vectors(array: Array, called: str) -> Float[Tensor, "N D"]:
    if array.dtype not in (np.float16, np.float32, np.float64):
        raise ValueError(
            f"{called} is an array of {array.dtype}: float16, float32 or float64 is needed."
        )
    if array.ndim != 2 or not array.shape[1]:
        raise ValueError(
            f"{called} has the shape {list(array.shape)}: [pictures, dimensions] is needed, one"
            " vector per picture."
        )
    return torch.from_numpy(array)


def _numbers(arrays: _Arrays, part: str, name: str, pictures: int) -> Int[Tensor, " N"]:
    key, array = arrays.get(part, name)
    called = f"{key} of {arrays.file.name}"
    if array.dtype.kind not in "iu":
        raise ValueError(
            f"{called} is an array of {_words(array)}: whole numbers are needed; number them, and"
            " alike in query and gallery."
        )
    if array.ndim != 1 or len(array) != pictures:
        raise ValueError(
            f"{called} has the shape {list(array.shape)}: [{pictures}] is needed, one number for"
            f" each of the {pictures} vectors."
        )
    if len(array) and int(array.max()) > np.iinfo(np.int64).max:
        raise ValueError(f"{called} goes up to {array.max()}: numbers below 2^63 are needed.")
    return torch.from_numpy(array.astype(np.int64))


def _words(array: Array) -> str:
    return f"text ({array.dtype})" if array.dtype.kind in "US" else f"{array.dtype}"


def _array(tensor: Tensor) -> Array:
    plain = tensor.detach().cpu()
    return (plain.float() if plain.dtype == torch.bfloat16 else plain).numpy()
