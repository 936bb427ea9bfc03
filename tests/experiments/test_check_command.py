"""``reid-nas check`` ends with 0 on a sound data set, 1 on a fault, and always with a sentence."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.check_command import main

Plant = Callable[[Path], object]

COMMAND = [sys.executable, "-m", "experiments", "check"]
ENVIRONMENT = {"PYTHONPATH": str(Path(__file__).parents[2])}


@pytest.fixture
def market(tiny_folder: Path, tmp_path: Path) -> Path:
    """A copy to plant faults in; its name says nothing."""
    return Path(shutil.copytree(tiny_folder, tmp_path / "data" / "mine"))


def picture(folder: Path, part: str, beginning: str) -> Path:
    """The first picture of a part whose name begins so."""
    return min((folder / part).glob(f"{beginning}*"))


def truncate(folder: Path) -> None:
    path = picture(folder, "query", "0012_c1")
    path.write_bytes(path.read_bytes()[:-300])


def use_in_both(folder: Path) -> None:
    for camera in (1, 2):
        source = picture(folder, "bounding_box_train", f"0001_c{camera}")
        name = f"0013_c{camera}s1_000099_00.png"
        shutil.move(source, source.with_name(name))


def copy(folder: Path) -> None:
    source = picture(folder, "bounding_box_train", "0001_c1")
    shutil.copy(source, source.with_name("0002_c1s1_000099_00.png"))


def keep_one_camera(folder: Path) -> None:
    for part in ("query", "bounding_box_test"):
        picture(folder, part, "0014_c2").unlink()


FAULTS: list[tuple[Plant, int, str, list[str]]] = [
    (truncate, 1, "unreadable", ["query/0012_c1s1_000001_00.png"]),
    (use_in_both, 1, "in_both", ["13"]),
    (keep_one_camera, 0, "one_camera_test", ["14"]),
]


def said(folder: Path, *options: str) -> tuple[int, dict[str, object]]:
    """The exit status and the JSON."""
    file = folder.parent / "report.json"
    status = main([str(folder), "--json", str(file), *options])
    return status, json.loads(file.read_text())


def test_a_sound_folder_is_ok(market: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, found = said(market)
    assert status == 0
    assert found["errors"] == found["warnings"] == []
    assert capsys.readouterr().out.splitlines()[-1] == "OK"


@pytest.mark.parametrize(("plant", "status", "kind", "names"), FAULTS)
def test_a_planted_fault_is_found_alone_and_named(
    market: Path,
    capsys: pytest.CaptureFixture[str],
    plant: Plant,
    status: int,
    kind: str,
    names: list[str],
) -> None:
    plant(market)
    found = said(market)
    faults = [*found[1]["errors"], *found[1]["warnings"]]  # type: ignore[misc]
    assert found[0] == status
    assert [(one["kind"], one["names"]) for one in faults] == [(kind, names)]
    out = capsys.readouterr().out
    assert names[0] in out
    assert out.splitlines()[-1] == ("1 error" if status else "1 warning")


def test_a_copy_of_a_picture_is_a_warning_with_both_names(market: Path) -> None:
    copy(market)
    status, found = said(market)
    assert status == 0
    assert found["duplicates"] == [
        {
            "files": [
                "bounding_box_train/0001_c1s1_000001_00.png",
                "bounding_box_train/0002_c1s1_000099_00.png",
            ],
            "parts": ["training", "training"],
            "identities": [1, 2],
        }
    ]


def test_a_wrong_count_is_a_warning(
    market: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    named = market.rename(tmp_path / "Market-1501-v15.09.15")
    assert main([str(named)]) == 0
    out = capsys.readouterr().out
    assert "40 instead of 12,936 training pictures" in " ".join(out.split())
    assert out.splitlines()[-1] == "1 warning"


def test_a_missing_listed_file_is_an_error(
    market: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ["path,identity,camera,split"]
    for part, split in (
        ("bounding_box_train", "train"),
        ("query", "query"),
        ("bounding_box_test", "gallery"),
    ):
        for path in sorted((market / part).iterdir()):
            identity, camera = path.name.split("_")[:2]
            if int(identity) > 0:
                lines.append(f"{part}/{path.name},{identity},{camera[1]},{split}")
    manifest = market / "list.csv"
    manifest.write_text("\n".join(lines))
    assert main([str(manifest)]) == 0
    picture(market, "query", "0011_c2").unlink()
    capsys.readouterr()
    assert main([str(manifest)]) == 1
    out = capsys.readouterr().out
    assert "Missing pictures: 1 (query/0011_c2" in out
    assert out.splitlines()[-1] == "1 error"


def test_a_name_is_looked_up_under_the_root(
    market: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["market_layout", "--root", str(market)]) == 0
    assert main(["market_layout:mine", "--root", str(market.parent)]) == 0
    assert "data set  market_layout:mine" in capsys.readouterr().out


def test_what_could_be_a_name_and_a_folder_is_the_folder_unless_a_root_is_given(
    market: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(market.parent)
    market.rename(market.with_name("personx"))
    assert main(["personx"]) == 0
    assert "'personx' is a data set's name and a folder here" in capsys.readouterr().err
    assert main(["personx", "--root", str(tmp_path / "empty")]) == 1
    assert "error: " in capsys.readouterr().err


def test_json_names_files_by_the_data_set_and_never_by_the_machine(
    market: Path, tmp_path: Path
) -> None:
    (market / "query" / "notes.png").write_bytes(b"")  # its name cannot be read: a remark
    truncate(market)
    status, found = said(market)
    assert status == 1
    assert [one["kind"] for one in found["warnings"]] == ["remark"]  # type: ignore[attr-defined]
    assert str(tmp_path) not in json.dumps(found)


def test_pictures_are_drawn_of_a_broken_data_set_too(market: Path, tmp_path: Path) -> None:
    truncate(market)
    sheets = tmp_path / "new" / "sheets"
    assert main([str(market), "--pictures", str(sheets)]) == 1
    assert sorted(file.name for file in sheets.iterdir()) == [
        "gallery.png", "query.png", "train.png",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "argv",
    [
        ["no_such_data_set"],
        ["./no/such/folder"],
        [""],
        ["  "],
        ["~nobody-of-this-name/data"],
        ["market1501", "--root", "~nobody-of-this-name"],
        ["{market}", "--root", "{empty}"],
        ["{market}", "--json", "/proc/report.json"],
        ["{market}", "--json", "{empty}/same/train.png", "--pictures", "{empty}/same"],
        ["market1501+nothing"],
        ["market1501"],
        ["market_layout:../elsewhere", "--root", "."],
        ["{empty}"],
        ["{empty}/table.csv"],
        ["{market}", "--json", "{empty}"],
        ["{market}", "--json", "{empty}/table.csv/report.json"],
        ["{market}", "--pictures", "{empty}/table.csv"],
    ],
)
def test_what_cannot_be_checked_is_one_sentence_and_status_1(
    market: Path,
    tmp_path: Path,
    argv: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("REID_DATA_ROOT", raising=False)
    monkeypatch.delenv("FASTREID_DATASETS", raising=False)
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "table.csv").write_bytes(b"\xff\xfe\x00a,b")
    monkeypatch.chdir(market)  # an empty path would be a data set
    monkeypatch.setattr("experiments.check_command.examine", None)  # all is said before
    assert main([word.format(empty=empty, market=market) for word in argv]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1


def test_a_home_folder_nobody_knows_in_a_variable_is_one_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REID_DATA_ROOT", "~nobody-of-this-name")
    assert main(["market1501"]) == 1
    assert "error: '~nobody-of-this-name' begins with the home" in capsys.readouterr().err


def test_a_report_does_not_take_the_place_of_the_manifest(
    market: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = market / "list.csv"
    manifest.write_text("path,identity,camera,split")
    assert main([str(manifest), "--json", str(manifest)]) == 1
    assert "NAME_OR_PATH and --json both name list.csv" in capsys.readouterr().err
    assert manifest.read_text() == "path,identity,camera,split"


def test_blanks_around_a_plus_do_not_count(
    market: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(market, market.with_name("more"))
    argv = ["market_layout:mine + market_layout:more", "--root", str(market.parent)]
    assert main(argv) == 0
    assert "data set  market_layout:mine+market_layout:more" in capsys.readouterr().out


def test_a_link_that_leads_back_to_itself_is_an_unreadable_picture(market: Path) -> None:
    (market / "query" / "0012_c1s1_000099_00.png").symlink_to("0012_c1s1_000099_00.png")
    status, found = said(market)
    assert status == 1
    faults = [(one["kind"], one["names"]) for one in found["errors"]]  # type: ignore[attr-defined]
    assert faults == [("unreadable", ["query/0012_c1s1_000099_00.png"])]


def test_json_of_a_sum_is_the_same_wherever_the_data_sets_lie(market: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(market, market.with_name("mine2")))
    for folder in (market, other):
        (folder / "query" / "notes.png").touch()  # its name cannot be read: a remark
    truncate(market)
    picture(other, "bounding_box_train", "0001_c1").write_bytes(b"")
    file = tmp_path / "report.json"
    argv = ["market_layout:mine+market_layout:mine2", "--json", str(file), "--root"]
    assert main([*argv, str(market.parent)]) == 1
    first = file.read_text()
    assert str(tmp_path) not in first
    assert "market_layout:mine2/bounding_box_train/0001_c1" in first
    assert "market_layout:mine2: Left out of query for a name without" in first
    (tmp_path / "deep").mkdir()
    market.parent.rename(tmp_path / "deep" / "moved")
    assert main([*argv, str(tmp_path / "deep" / "moved")]) == 1
    assert file.read_text() == first


def test_json_is_the_same_from_wherever_a_folder_is_named(
    market: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (market / "query" / "notes.png").touch()
    truncate(market)
    texts = set()
    for here, way in (("/", market), (market.parent, "mine"), (tmp_path, "./data/mine/")):
        monkeypatch.chdir(here)
        main([str(way), "--json", str(tmp_path / "report.json")])
        texts.add((tmp_path / "report.json").read_text())
    monkeypatch.chdir(market)
    main([".", "--json", str(tmp_path / "report.json")])
    assert {*texts, (tmp_path / "report.json").read_text()} == texts
    assert len(texts) == 1


@pytest.mark.parametrize("argv", [[], ["a", "b"], ["a", "--what"]])
def test_wrong_usage_ends_with_2(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(argv)
    assert end.value.code == 2


def test_a_terminal_that_knows_ascii_only_is_enough(market: Path) -> None:
    strange = market / "query" / "0012_c1s1_000009_\N{GREEK SMALL LETTER ALPHA}.png"
    strange.write_bytes(b"")
    done = subprocess.run(
        [*COMMAND, str(market)],
        env=ENVIRONMENT | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "0012_c1s1_000009_\\u03b1.png: the file is empty" in done.stdout
    assert "|####" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_reader_who_has_seen_enough_is_no_fault(market: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, str(market)], env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()  # as ``head`` does, only sooner
        assert process.stderr.read() == b""
        assert process.wait() == 0
