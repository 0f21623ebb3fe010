"""The limit of open files: raised as far as it goes, and said where that is not far enough."""

import resource
import subprocess
import sys

from structlog.testing import capture_logs

from deploy import open_files


def test_the_limit_is_raised_to_the_hard_one():
    code = (
        "import resource as r; from deploy import open_files\n"
        "r.setrlimit(r.RLIMIT_NOFILE, (300, 3000))\n"
        "open_files.allow_many()\n"
        "print(*r.getrlimit(r.RLIMIT_NOFILE))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["3000", "3000"]


def test_too_few_files_are_said_and_strangers_are_turned_away_in_time(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 1024))
    with capture_logs() as said:
        assert open_files.bounded(500, reserved=100) == 500
    assert not said
    with capture_logs() as said:
        assert open_files.bounded(10_000, reserved=100) == 1024 - open_files.OTHERS - 100
        assert open_files.bounded(10_000, reserved=5_000) == 1
    assert "LimitNOFILE" in said[0]["event"]
    assert said[0]["needed"] == 10_000 + open_files.OTHERS + 100
