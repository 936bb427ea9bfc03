"""Features come back from a file as they went in, and any other file is refused with a sentence."""

import contextlib
import io
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evaluators.feature_file import read_features, save_features
from evaluators.retrieval import Features
from reid_data.records import Protocol

MARKET = Protocol()
NO_CAMERAS = Protocol(camera_rule=False)
DRAWN = Protocol(camera_rule=False, repeats=2)

Arrays = dict[str, npt.NDArray[Any]]


def arrays() -> Arrays:
    """Three queries and four gallery pictures, two dimensions."""
    return {
        "query_features": np.array([[1, 0], [0, 1], [1, 1]], np.float32),
        "query_ids": np.array([1, 2, 2]),
        "query_cameras": np.array([0, 0, 1]),
        "gallery_features": np.array([[1, 0], [0, 1], [1, 1], [0, 0]], np.float32),
        "gallery_ids": np.array([1, 2, 2, 0]),
        "gallery_cameras": np.array([1, 1, 0, 3]),
    }


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "features.npz"


def same(got: Features, expected: Features) -> None:
    assert got.vectors.dtype == expected.vectors.dtype
    assert torch.equal(got.vectors, expected.vectors)
    assert torch.equal(got.identities, expected.identities)
    assert torch.equal(got.cameras, expected.cameras)


@given(
    st.integers(1, 5),
    st.integers(1, 5),
    st.integers(1, 4),
    st.sampled_from([torch.half, torch.float, torch.double]),
    st.integers(-1, 3),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_saved_is_read_back(
    file: Path, queries: int, pictures: int, dimensions: int, dtype: torch.dtype, camera: int
) -> None:
    query, gallery = (
        Features(
            torch.randn(n, dimensions).to(dtype),
            torch.randint(-1, 9, (n,)),
            torch.full((n,), camera),
        )
        for n in (queries, pictures)
    )
    save_features(file, query, gallery)
    for got, expected in zip(read_features(file, NO_CAMERAS), (query, gallery), strict=True):
        same(got, expected)
    with np.load(file) as saved:
        assert ("query_cameras" in saved.files) == (camera != -1)


def test_bfloat16_is_saved_as_float32_and_a_drawn_gallery_as_no_pictures(file: Path) -> None:
    whole = Features(torch.eye(3).bfloat16(), torch.tensor([1, 1, 2]), torch.full((3,), -1))
    save_features(file, whole)
    query, gallery = read_features(file, DRAWN)
    same(query, Features(torch.eye(3), whole.identities, whole.cameras))
    assert gallery.vectors.shape == (0, 3)
    with pytest.raises(ValueError, match=r"3 query and 0 gallery pictures: at least one of each"):
        read_features(file, NO_CAMERAS)


def test_a_file_that_cannot_be_written_leaves_the_old_one(file: Path) -> None:
    part = Features(torch.eye(2), torch.tensor([1, 2]), torch.tensor([0, 1]))
    save_features(file, part, part)
    before = file.read_bytes()
    with pytest.raises(TypeError):  # sparse tensors have no numpy array
        save_features(file, Features(torch.eye(2).to_sparse(), part.identities, part.cameras), part)
    assert file.read_bytes() == before


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4", ">f8"])
@pytest.mark.parametrize("number", ["u1", "i2", ">i4", "u8"])
def test_any_plain_array_of_any_byte_order_is_read(file: Path, dtype: str, number: str) -> None:
    given_arrays = arrays()
    for key, array in given_arrays.items():
        given_arrays[key] = np.asfortranarray(array).astype(
            dtype if key.endswith("features") else number
        )
    np.savez_compressed(file, allow_pickle=True, **given_arrays)
    query, gallery = read_features(file, MARKET)
    assert query.vectors.tolist() == [[1, 0], [0, 1], [1, 1]]
    assert (
        query.vectors.dtype
        == torch.from_numpy(np.zeros(1, np.dtype(dtype).newbyteorder("="))).dtype
    )
    assert gallery.identities.tolist() == [1, 2, 2, 0]
    assert gallery.cameras.tolist() == [1, 1, 0, 3]


def test_the_keys_of_older_files_are_read_as_well(file: Path) -> None:
    endings = {"features": "f", "ids": "label", "cameras": "cam"}
    older = {
        f"{part}_{endings[name]}": array
        for key, array in arrays().items()
        for part, name in [key.split("_")]
    }
    np.savez(file, allow_pickle=True, **older)
    query, _ = read_features(file, MARKET)
    assert query.cameras.tolist() == [0, 0, 1]


def test_cameras_are_needed_by_the_camera_rule_alone(file: Path) -> None:
    np.savez(
        file,
        allow_pickle=True,
        **{key: a for key, a in arrays().items() if key != "gallery_cameras"},
    )
    query, gallery = read_features(file, NO_CAMERAS)
    assert (query.cameras.tolist(), gallery.cameras.tolist()) == ([0, 0, 1], [-1] * 4)
    with pytest.raises(ValueError, match=r"no gallery_cameras: it holds gallery_f.*protocol none"):
        read_features(file, MARKET)


FLAWS: dict[str, tuple[Arrays, str]] = {
    "text": (
        {"query_ids": np.array(["a", "b", "b"])},
        r"query_ids of features\.npz is an array of text \(<U1\): whole numbers are needed",
    ),
    "fractions": ({"gallery_ids": np.ones(4)}, r"gallery_ids .* is an array of float64: whole"),
    "truths": ({"query_ids": np.ones(3, bool)}, r"query_ids .* is an array of bool: whole"),
    "long ids": ({"query_ids": np.ones(4, int)}, r"query_ids .* has the shape \[4\]: \[3\] is"),
    "a column": ({"query_ids": np.ones((3, 1), int)}, r"has the shape \[3, 1\]: \[3\] is needed"),
    "huge ids": (
        {"query_ids": np.array([1, 2, 2**63], np.uint64)},
        r"query_ids .* goes up to 9223372036854775808: numbers below 2\^63",
    ),
    "cameras": ({"query_cameras": np.ones(2, int)}, r"query_cameras .* has the shape \[2\]: \[3\]"),
    "pixels": ({"query_features": np.ones((3, 2), int)}, r"an array of int64: float16, float32 or"),
    "maps": (
        {"query_features": np.ones((3, 2, 1, 1), np.float32)},
        r"query_features .* has the shape \[3, 2, 1, 1\]: \[pictures, dimensions\] is needed",
    ),
    "no width": ({"query_features": np.ones((3, 0), np.float32)}, r"the shape \[3, 0\]"),
    "other network": (
        {"gallery_features": np.ones((4, 5), np.float32)},
        r"Query features have 2 dimensions in features\.npz and gallery features 5",
    ),
    "no query": (
        {
            "query_features": np.ones((0, 2), np.float32),
            "query_ids": np.ones(0, int),
            "query_cameras": np.ones(0, int),
        },
        r"0 query and 4 gallery pictures: at least one of each is needed",
    ),
    "not finite": (
        {"gallery_features": np.array([[1, 0], [np.nan, 1], [1, 1], [0, np.inf]], np.float32)},
        r"2 of the 4 gallery vectors are not finite.* rows 1, 3",
    ),
    "objects": (
        {"query_ids": np.array([1, None, "a"], object)},
        r"query_ids of features\.npz cannot be read \(ValueError: Object arrays",
    ),
}


@pytest.mark.parametrize("name", FLAWS)
def test_a_flaw_is_named_with_what_was_found_and_what_is_needed(file: Path, name: str) -> None:
    flaw, words = FLAWS[name]
    np.savez(file, allow_pickle=True, **(arrays() | flaw))
    with pytest.raises(ValueError, match=words) as refused:
        read_features(file, MARKET)
    assert str(file.parent) not in str(refused.value)


@pytest.mark.parametrize("missing", list(arrays()))
def test_a_missing_array_is_named_with_those_that_are_there(file: Path, missing: str) -> None:
    np.savez(
        file,
        allow_pickle=True,
        **{key: array for key, array in arrays().items() if key != missing},
        extra=1,
    )
    with pytest.raises(ValueError, match=rf"has no {missing}: it holds extra, gallery_") as refused:
        read_features(file, MARKET)
    assert "query_features, query_ids, query_cameras and the same" in str(refused.value)


def test_a_file_of_another_kind_is_refused(file: Path) -> None:
    with pytest.raises(ValueError, match=r"There is no file .*features\.npz"):
        read_features(file, MARKET)
    with pytest.raises(ValueError, match="There is no file"):
        read_features(file.parent, MARKET)
    single = io.BytesIO()
    np.save(single, np.eye(3))
    for content in (b"", b"PK\x03\x04", b"no zip", single.getvalue(), b"\x80\x04N."):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=r"features\.npz is no whole \.npz file"):
            read_features(file, MARKET)
    with zipfile.ZipFile(file, "w") as zipped:
        for key in arrays():
            zipped.writestr(f"{key}.npy", "1, 2, 3")
    with pytest.raises(ValueError, match=r"query_features of features\.npz is no array"):
        read_features(file, MARKET)
    with zipfile.ZipFile(file, "w"):
        pass
    with pytest.raises(ValueError, match="it holds nothing"):
        read_features(file, MARKET)


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)), min_size=1, max_size=8), st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_file_is_read_or_refused_and_nothing_else(
    file: Path, damage: list[tuple[float, int]], data: st.DataObject
) -> None:
    whole = io.BytesIO()
    save = data.draw(st.sampled_from([np.savez, np.savez_compressed]))
    save(whole, allow_pickle=True, **arrays())
    content = bytearray(whole.getvalue())
    for place, change in damage:
        content[int(place * (len(content) - 1))] ^= change
    cut = data.draw(st.one_of(st.none(), st.integers(0, len(content))))
    file.write_bytes(bytes(content[:cut]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile and numpy remark on odd headers
        try:
            read_features(file, MARKET)
        except ValueError as refused:
            assert str(refused).endswith(".")  # noqa: PT017 - both outcomes are right


HEADERS = [
    "{'descr': '<f4', 'fortran_order': False, 'shape': (5, 4), ",
    "{1: 2, 'a': 3, 'b': 4}",
    "{'descr': ('f',), 'fortran_order': False, 'shape': (5, 4), }",
    "{[]: 1}",
    "'''abc",
]


@pytest.mark.parametrize("header", HEADERS)
def test_a_header_that_numpy_trips_over_is_a_sentence(file: Path, header: str) -> None:
    written = header.encode()
    start = b"\x93NUMPY\x01\x00" + len(written).to_bytes(2, "little")
    with zipfile.ZipFile(file, "w") as out:
        for part in ("query", "gallery"):
            out.writestr(f"{part}_features.npy", start + written + bytes(80))
    with pytest.raises(ValueError, match="cannot be read"):
        read_features(file, Protocol())


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_LZMA])
def test_a_damaged_larger_or_lzma_file_is_read_or_refused(file: Path, compression: int) -> None:
    arrays: dict[str, np.ndarray] = {}
    for part, camera in (("query", 0), ("gallery", 1)):
        arrays[f"{part}_features"] = np.ones((2, 1000), np.float32)  # 8,000 bytes: read in pieces
        arrays[f"{part}_ids"] = np.arange(2)
        arrays[f"{part}_cameras"] = np.arange(2) + camera
    with zipfile.ZipFile(file, "w", compression) as out:
        for key, array in arrays.items():
            plain = io.BytesIO()
            np.save(plain, array)
            out.writestr(f"{key}.npy", plain.getvalue())
    good = file.read_bytes()
    for place in range(len(good) if compression == zipfile.ZIP_LZMA else 260):
        file.write_bytes(good[:place] + bytes([good[place] ^ 255]) + good[place + 1 :])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with contextlib.suppress(ValueError):
                read_features(file, Protocol())
