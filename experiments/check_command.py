"""``reid-nas check``: what a data set is, and what is wrong with it."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from experiments.check_json import to_dict
from experiments.check_report import report
from experiments.outputs import refuse_unwritable, write
from reid_data.catalog import NAMES, is_name, read_inventory
from reid_data.check import examine
from reid_data.layout import expanded
from reid_data.recognition import recognise
from reid_data.records import Inventory

_BLOCK = "\N{FULL BLOCK}"


def main(argv: Sequence[str]) -> int:
    """Examine one data set.

    Args:
        argv: ``NAME_OR_PATH [--root DIR] [--json FILE] [--pictures DIR]``.

    Returns:
        0 where no error was found (warnings are allowed), 1 where the data set has errors or could
        not be read, 130 after Ctrl-C; wrong usage exits with 2.
    """
    parser = argparse.ArgumentParser(prog="reid-nas check", description=__doc__)
    parser.add_argument(
        "what",
        metavar="NAME_OR_PATH",
        help="a data set's name, a folder in any known layout, or a CSV manifest",
    )
    parser.add_argument("--root", type=Path, metavar="DIR", help="where a named data set lies")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report there too")
    parser.add_argument(
        "--pictures", type=Path, metavar="DIR", help="draw a contact sheet of each part there"
    )
    arguments = parser.parse_args(argv)
    try:
        _prepare(arguments.what, arguments.json, arguments.pictures)
        return _check(
            _inventory(arguments.what, arguments.root), arguments.json, arguments.pictures
        )
    except (ValueError, OSError) as error:
        print(f"error: {_sentence(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped before the check was finished.", file=sys.stderr)
        return 130


def _inventory(what: str, root: Path | None) -> Inventory:
    """What lies under a path, or under a name of the catalog."""
    if not what.strip():
        raise ValueError("No data set was named: give a path or a name such as market1501.")
    path, named = expanded(Path(what)), is_name(what)
    if not path.exists() or (named and root is not None):
        if not named:
            raise ValueError(
                f"'{what}' is neither a folder or file here nor the name of a data set: give a path"
                f" or one of {', '.join(NAMES)}."
            )
        return read_inventory(what, root)
    if root is not None:
        raise ValueError(
            f"--root says where a named data set lies, and '{what}' is a {_kind(path)}: leave out"
            f" one of them, or name what lies below it, as in market_layout:{path.name}."
        )
    if named:
        print(
            f"note: '{what}' is a data set's name and a {_kind(path)} here; the {_kind(path)} is"
            " checked (--root DIR takes the name).",
            file=sys.stderr,
        )
    return recognise(path)


def _kind(path: Path) -> str:
    return "folder" if path.is_dir() else "file"


def _check(inventory: Inventory, file: Path | None, folder: Path | None) -> int:
    examination = examine(inventory, progress=True)
    if file is not None:
        words = json.dumps(to_dict(examination), indent=2) + "\n"
        write(file, words)
    if folder is not None:
        from experiments.check_pictures import draw_sheets

        draw_sheets(inventory, folder)
    _say(report(examination, block=_BLOCK if _can_say(_BLOCK) else "#"))
    return 1 if examination.errors else 0


def _prepare(what: str, file: Path | None, folder: Path | None) -> None:
    """Make the folders that are written to and try to write there, before the long work."""
    outputs = {}
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        outputs["--json"] = file
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        outputs["--pictures"] = folder / "train.png"
    path = expanded(Path(what))
    refuse_unwritable(outputs, {"NAME_OR_PATH": path} if path.is_file() else {})


def _say(words: str) -> None:
    """Print also what the terminal's encoding lacks, such as strange letters of a file name."""
    encoding = sys.stdout.encoding or "utf-8"
    try:
        print(words.encode(encoding, "backslashreplace").decode(encoding), flush=True)
    except BrokenPipeError:  # whoever reads has seen enough, as ``head`` has; nothing is lost
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _can_say(letter: str) -> bool:
    try:
        letter.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def _sentence(error: ValueError | OSError) -> str:
    words = " ".join(str(error).split())
    if isinstance(error, OSError) and error.errno is not None:  # the system's own few words
        return f"A file could not be used ({words}): check its folder, its rights and the disk."
    return words
