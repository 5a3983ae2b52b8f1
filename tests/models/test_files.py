"""Files and folders that change in one step."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from models import files
from models.files import exchange


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "content").write_text(name)
    return tmp_path / "one", tmp_path / "other"


def contents(folders: tuple[Path, Path]) -> list[str]:
    return [(folder / "content").read_text() for folder in folders]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux does it in one step")
def test_two_folders_change_names_in_one_step(folders: tuple[Path, Path]) -> None:
    assert files._exchanged_by_the_system(*folders)
    assert contents(folders) == ["other", "one"]
    exchange(*folders)
    assert contents(folders) == ["one", "other"]


def test_two_folders_change_names_where_the_system_cannot_do_it_at_once(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_exchanged_by_the_system", lambda *_: False)
    exchange(*folders)
    assert contents(folders) == ["other", "one"]
    assert len(list(folders[0].parent.iterdir())) == 2


def test_what_cannot_be_exchanged_is_as_it_was(folders: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        exchange(tmp_path / "missing", folders[1])
    assert contents(folders) == ["one", "other"]
