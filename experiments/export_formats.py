"""The formats a network is handed over in: how each is made, and how its own runtime opens it."""

import io
import logging
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from jaxtyping import Float32
from torch import Tensor, nn

# B pictures, D numbers of a feature, H x W pixels

METADATA = "metadata.json"
"""Name of the metadata in a file of any format."""

INPUT, OUTPUT = "images", "features"

OPSET = 18
"""Of ONNX, where none is asked for."""

_PROVIDERS = ["CPUExecutionProvider"]
_ONNX_REHEARSAL = f"""
import sys, onnxruntime
onnxruntime.InferenceSession(sys.argv[1], providers={_PROVIDERS})
"""

ONNX_PACKAGES = ("onnx", "onnxscript", "onnxruntime")

Written = Callable[[str], bytes]
"""From the metadata to the content of a file; may be asked more than once."""

Runner = Callable[[Float32[Tensor, "B 3 H W"]], Float32[Tensor, "B D"]]
"""What a file computes, in its own runtime, on the CPU."""


class Format(NamedTuple):
    """One way to hand a network over.

    Attributes:
        convert: makes a file's content of a network, pictures of its size and ONNX's opset.
        open: a file that was written.
        packages: it needs besides torch.
        rehearsal: Python that opens the file of its first argument with nothing of this project,
            for a process of its own; empty where there is no need.
    """

    convert: Callable[[nn.Module, Float32[Tensor, "B 3 H W"], int], Written]
    open: Callable[[Path], Runner]
    packages: tuple[str, ...] = ()
    rehearsal: str = ""


def require_packages(name: str) -> None:
    """Refuse a format whose packages are not installed.

    Raises:
        ValueError: if one is missing.
    """
    for package in FORMATS[name].packages:
        try:
            import_module(package)
        except ImportError as error:
            raise ValueError(
                f"The format {name} needs the package {package}, which cannot be imported"
                f" ({error}): install it with pip install 'nni-reid[export]'."
            ) from error


def require_opening(name: str, file: Path) -> None:
    """Refuse a file on which its runtime dies, as ONNX Runtime does of some graphs in float16.

    Raises:
        ValueError: if a process that opens it does not end well.
    """
    code = FORMATS[name].rehearsal
    if not code:
        return
    done = subprocess.run(  # noqa: S603 - fixed code
        [sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1].rstrip(".")
        raise ValueError(
            f"The runtime of {name} cannot open what was exported (status {done.returncode}:"
            f" {said}): take another format, opset or --precision 32."
        )


def _torchscript(shipped: nn.Module, images: Float32[Tensor, "B 3 H W"], _opset: int) -> Written:
    with _quiet():
        trace: Any = torch.jit.trace
        traced = torch.jit.freeze(trace(shipped, images, check_trace=False))

    def written(metadata: str) -> bytes:
        buffer = io.BytesIO()
        with _quiet():
            torch.jit.save(traced, buffer, _extra_files={METADATA: metadata})
        return _without_sources(buffer)

    return written


def _without_sources(buffer: io.BytesIO) -> bytes:
    """The same file without the records of which source line every operation came from."""
    buffer.seek(0)
    old, cleaned = torch._C.PyTorchFileReader(buffer), io.BytesIO()
    new = torch._C.PyTorchFileWriter(cleaned)
    for name in old.get_all_records():
        own = name in ("version", "byteorder", ".data/serialization_id")  # the writer adds these
        if not own and not name.endswith(".debug_pkl"):
            content = old.get_record(name)
            new.write_record(name, content, len(content))
    new.write_end_of_file()
    return cleaned.getvalue()


def _open_torchscript(file: Path) -> Runner:
    with _quiet():
        load: Any = torch.jit.load
        return _of_module(load(file, map_location="cpu"))


def _pt2(shipped: nn.Module, images: Float32[Tensor, "B 3 H W"], _opset: int) -> Written:
    with _quiet():
        program = _program(shipped, images)
    for module in program.graph_module.modules():
        for node in module.graph.nodes if isinstance(module, torch.fx.GraphModule) else ():
            node.meta.pop("stack_trace", None)  # it names the files of this machine

    def written(metadata: str) -> bytes:
        buffer = io.BytesIO()
        with _quiet():
            torch.export.save(program, buffer, extra_files={METADATA: metadata})
        return buffer.getvalue()

    return written


def _open_pt2(file: Path) -> Runner:
    with _quiet():
        loaded = torch.export.load(file).module()
    return _of_module(loaded)


def _onnx(shipped: nn.Module, images: Float32[Tensor, "B 3 H W"], opset: int) -> Written:
    with _quiet():
        program = torch.onnx.export(
            _program(shipped, images),
            dynamo=True,
            input_names=[INPUT],
            output_names=[OUTPUT],
            opset_version=opset,
            verbose=False,
        )
    if program is None:
        raise ValueError("torch made no ONNX program of the network: take another format.")
    proto: Any = program.model_proto
    made = {entry.domain: entry.version for entry in proto.opset_import}[""]
    if made != opset:
        raise ValueError(
            f"torch gave opset {made} where {opset} was asked for, which it cannot write: take"
            f" another, or leave --opset out for {OPSET}."
        )
    _forget_sources(proto)
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"

    def written(metadata: str) -> bytes:
        del proto.metadata_props[:]
        proto.metadata_props.add(key=METADATA, value=metadata)
        content: bytes = proto.SerializeToString()
        return content

    return written


def _forget_sources(proto: Any) -> None:
    """Take out which source line every node came from."""
    proto.doc_string = ""
    for graph in (proto.graph, *proto.functions):
        del graph.metadata_props[:]
        graph.doc_string = ""
        del graph.value_info[:]  # shapes in between, under names of the exporter's
        for node in graph.node:
            node.doc_string = ""
            del node.metadata_props[:]


def _open_onnx(file: Path) -> Runner:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=_PROVIDERS)

    def run(images: Float32[Tensor, "B 3 H W"]) -> Float32[Tensor, "B D"]:
        (features,) = session.run([OUTPUT], {INPUT: images.numpy()})
        return torch.from_numpy(features)

    return run


def _program(
    shipped: nn.Module, images: Float32[Tensor, "B 3 H W"]
) -> torch.export.ExportedProgram:
    batch = torch.export.Dim("batch")
    return torch.export.export(shipped, (images,), dynamic_shapes={INPUT: {0: batch}})


def _of_module(module: Callable[[Tensor], Tensor]) -> Runner:
    def run(images: Float32[Tensor, "B 3 H W"]) -> Float32[Tensor, "B D"]:
        with torch.no_grad():
            return module(images)

    return run


@contextmanager
def _quiet() -> Iterator[None]:
    """Without torch's remarks on its exporters, and without the attention only eager torch has."""
    fast, level = torch.backends.mha.get_fastpath_enabled(), logging.root.manager.disable
    torch.backends.mha.set_fastpath_enabled(False)
    logging.disable(logging.WARNING)
    try:
        with (
            warnings.catch_warnings(),
            redirect_stdout(io.StringIO()),
            redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
        torch.backends.mha.set_fastpath_enabled(fast)


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "onnx": Format(_onnx, _open_onnx, ONNX_PACKAGES, _ONNX_REHEARSAL),
        "torchscript": Format(_torchscript, _open_torchscript),
        "pt2": Format(_pt2, _open_pt2),
    }
)
"""Name -> what makes and opens it."""
