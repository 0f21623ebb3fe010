"""What accounts have had is there after a restart, and never in the way of rovers."""

from pathlib import Path

import pytest

from connectors.caster.volumes import Volumes
from deploy import volume_file
from deploy.volume_file import keeping, name_of, own_file
from streams.count_sharing import DAY_US


async def test_volumes_and_the_name_stay_through_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "not" / "there" / "volumes"
    name = name_of(file)
    assert name != name_of(file), "no two casters have the same"
    async with keeping(Volumes(name), file) as _:
        pass
    assert name_of(file) == name
    before = Volumes(name)
    async with keeping(before, file):
        before.add("li", 5, DAY_US)
        before.take("other", "li", next(before.own())[1])
    assert file.stat().st_mode & 0o777 == 0o600
    after = Volumes(name)
    async with keeping(after, file):
        assert after.used("li", DAY_US) == (5, 5), "what others have had comes from them"
    stranger = Volumes("stranger")
    async with keeping(stranger, file):
        assert stranger.used("li", DAY_US) == (0, 0)


async def test_a_broken_file_and_a_full_disk_hold_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "volumes"
    file.write_bytes(b"nonsense")
    volumes = Volumes(name_of(file))
    async with keeping(volumes, file):
        assert list(volumes.own()) == []

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(volume_file.os, "fsync", full)
    async with keeping(volumes, file):
        volumes.add("li", 1, DAY_US)
    assert name_of(file) == volumes.caster


def test_casters_of_one_folder_have_a_file_each(tmp_path: Path) -> None:
    with own_file(tmp_path) as first, own_file(tmp_path) as second:
        assert first != second
        assert first == tmp_path / "volumes"
    with own_file(tmp_path) as again:
        assert again == first
