"""No process of a family outlives its end, and no other process is touched."""

import os
import subprocess
import sys
import time
from collections.abc import Callable

import psutil

from experiments.processes import Family, alive

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "


def python(script: str, family: Family | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script],
        env=os.environ | (family.environment if family else {}),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def eventually(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.1)
    return False


def test_one_deaf_to_signals_an_orphan_and_one_without_the_mark_are_all_found_and_ended() -> None:
    family = Family()
    orphan = (
        f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', '{DEAF}time.sleep(60)'])"
    )
    unmarked = (
        "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c',"
        " 'import time; time.sleep(60)'], env={}); time.sleep(60)"
    )
    with python(f"{DEAF}print(flush=True); time.sleep(60)", family) as deaf:
        assert deaf.stdout is not None
        deaf.stdout.readline()  # deaf from here on
        with python(orphan, family) as launcher, python(unmarked, family):
            launcher.wait()
            assert eventually(lambda: len(family.members()) == 4)
            found = family.members()
            family.end(patience=0.5)
            assert not any(alive(process) for process in found)
            assert family.members() == []


def test_a_part_of_the_family_can_be_ended_alone() -> None:
    family = Family()
    sleep = "import time; time.sleep(60)"
    part = (
        f"import os, sys; os.environ['PART'] = ''; os.execv(sys.executable, ['p', '-c', '{sleep}'])"
    )
    with python(sleep, family) as whole, python(part, family) as trial:
        assert eventually(lambda: [p.pid for p in family.members("PART")] == [trial.pid])
        family.end(having="PART")
        assert trial.wait() != 0
        assert [p.pid for p in family.members()] == [whole.pid]
        family.end()


def test_other_families_and_the_caller_live_on() -> None:
    mine, other = Family(), Family()
    with python("import time; time.sleep(60)", other) as stranger:
        assert eventually(lambda: [p.pid for p in other.members()] == [stranger.pid])
        mine.end()
        assert alive(psutil.Process(stranger.pid))
        other.end()
        assert stranger.wait() != 0
    assert alive(psutil.Process())


def test_one_that_ended_unnoticed_by_its_parent_is_not_alive() -> None:
    with python("") as child:
        process = psutil.Process(child.pid)
        assert eventually(lambda: process.status() == psutil.STATUS_ZOMBIE)
        assert not alive(process)
