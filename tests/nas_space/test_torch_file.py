"""A file of tensors is read without running it, and replaced at once."""

from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch

from nas_space.torch_file import read_tensors, write_tensors

CONTENT = {"weights": {"a": torch.arange(3.0)}, "info": {"epochs": 2, "names": ["x", None]}}


def test_what_was_written_is_read(tmp_path: Path) -> None:
    write_tensors(tmp_path / "f.pt", CONTENT)
    read = read_tensors(tmp_path / "f.pt")
    assert read["info"] == CONTENT["info"]
    assert torch.equal(read["weights"]["a"], torch.arange(3.0))
    assert [file.name for file in tmp_path.iterdir()] == ["f.pt"]


def test_equal_content_makes_equal_bytes_whatever_the_file_is_called(tmp_path: Path) -> None:
    write_tensors(tmp_path / "one.pt", CONTENT)
    write_tensors(tmp_path / "another.bin", CONTENT)
    assert (tmp_path / "one.pt").read_bytes() == (tmp_path / "another.bin").read_bytes()


def test_a_pickle_that_would_make_anything_else_is_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": {}, "args": Namespace(lr=0.1)}, tmp_path / "f.pt")
    with pytest.raises(ValueError, match="save the state dict alone"):
        read_tensors(tmp_path / "f.pt")


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04", b"\x80\x02}q\x00.", b"\0" * 99])
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "f.pt").write_bytes(content)
    with pytest.raises(ValueError, match=r"^f.pt is no "):
        read_tensors(tmp_path / "f.pt")


def test_half_a_file_is_refused(tmp_path: Path) -> None:
    write_tensors(tmp_path / "f.pt", CONTENT)
    whole = (tmp_path / "f.pt").read_bytes()
    for length in range(0, len(whole), 97):
        (tmp_path / "f.pt").write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"^f.pt is no "):
            read_tensors(tmp_path / "f.pt")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no file .*gone\.pt"):
        read_tensors(tmp_path / "gone.pt")


def test_a_write_that_breaks_off_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    class Breaks:
        def __reduce__(self) -> str:
            raise OSError("no space left")

    write_tensors(tmp_path / "f.pt", CONTENT)
    with pytest.raises(OSError, match="no space"):
        write_tensors(tmp_path / "f.pt", {"weights": Breaks()})
    assert read_tensors(tmp_path / "f.pt")["info"] == CONTENT["info"]
    assert [file.name for file in tmp_path.iterdir()] == ["f.pt"]


@pytest.mark.parametrize("number", [np.float32(0.75), np.float64(0.75), np.int64(3)])
def test_a_score_of_numpy_beside_the_weights_is_read(tmp_path: Path, number: np.generic) -> None:
    """As Torchreid writes its rank-1."""
    torch.save({"state_dict": {"a": torch.ones(2)}, "rank1": number}, tmp_path / "f.pth.tar")
    read = read_tensors(tmp_path / "f.pth.tar")
    assert read["rank1"] == number
    assert torch.equal(read["state_dict"]["a"], torch.ones(2))


def test_safetensors_are_called_by_their_name(tmp_path: Path) -> None:
    """Eight bytes of a length, so much JSON, and the numbers."""
    header = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    content = len(header).to_bytes(8, "little") + header + bytes(4)
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match=r"^model\.safetensors is a file of safetensors: "):
        read_tensors(tmp_path / "model.safetensors")


def test_an_exported_program_is_called_one(tmp_path: Path) -> None:
    program = torch.export.export(torch.nn.Linear(2, 2), (torch.ones(1, 2),))
    torch.export.save(program, tmp_path / "n.pt2")
    with pytest.raises(ValueError, match=r"^n\.pt2 is an exported program and no state dict"):
        read_tensors(tmp_path / "n.pt2")
