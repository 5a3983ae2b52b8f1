"""Trained worlds of the tests: made once, made again when what makes them has changed or what was kept is damaged."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from tests.support import cached as module
from tests.support.cached import ROOMS, cached, is_whole, key_of

MADE: list[Path] = []


@pytest.fixture(autouse=True)
def none_made() -> None:
    MADE.clear()


def world(folder: Path) -> None:
    MADE.append(folder)
    (folder / "models" / "pump").mkdir(parents=True)
    (folder / "models" / "pump" / "score.pack").write_bytes(b"forest")


def entry_of(cache: Path) -> Path:
    (entry,) = cache.iterdir()
    return entry


def test_what_was_made_is_copied_from_then_on(tmp_path: Path) -> None:
    for name in "ab":
        into = cached(world, tmp_path / name, cache=tmp_path / "cache")
        assert (into / "models" / "pump" / "score.pack").read_bytes() == b"forest"
        assert [file.name for file in into.iterdir()] == ["models"]
        (into / "models" / "pump" / "score.pack").write_bytes(b"changed by a test")
    assert len(MADE) == 1


@pytest.mark.parametrize("damage", ["cut", "changed", "missing", "more", "no sums", "half sums"])
def test_a_damaged_entry_is_made_again(tmp_path: Path, damage: str) -> None:
    cache = tmp_path / "cache"
    cached(world, tmp_path / "a", cache=cache)
    entry = entry_of(cache)
    pack, sums = entry / "models" / "pump" / "score.pack", entry / module.SUMS
    match damage:
        case "cut":
            pack.write_bytes(b"fore")
        case "changed":
            pack.write_bytes(b"forrst")
        case "missing":
            pack.unlink()
        case "more":
            (entry / "more").touch()
        case "no sums":
            sums.unlink()
        case "half sums":
            sums.write_bytes(sums.read_bytes()[:-3])
    assert not is_whole(entry)
    into = cached(world, tmp_path / "b", cache=cache)
    assert (into / "models" / "pump" / "score.pack").read_bytes() == b"forest"
    assert len(MADE) == 2
    assert is_whole(entry_of(cache))


def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    def fails(folder: Path) -> None:
        world(folder)
        raise ValueError("no failure to learn from")

    with pytest.raises(ValueError, match="no failure"):
        cached(fails, tmp_path / "a", cache=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_of_two_at_once_both_get_the_whole(tmp_path: Path) -> None:
    both = threading.Barrier(2, timeout=20)

    def meets(folder: Path) -> None:
        both.wait()
        world(folder)

    threads = [
        threading.Thread(target=cached, args=(meets, tmp_path / name), kwargs={"cache": tmp_path / "cache"})
        for name in "ab"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert all((tmp_path / name / "models" / "pump" / "score.pack").exists() for name in "ab")
    assert is_whole(entry_of(tmp_path / "cache"))


def test_what_nobody_uses_is_forgotten(tmp_path: Path) -> None:
    old = tmp_path / "cache" / ".making-long-ago"
    old.mkdir(parents=True)
    os.utime(old, (0, 0))
    cached(world, tmp_path / "a", cache=tmp_path / "cache")
    assert is_whole(entry_of(tmp_path / "cache"))


def test_another_source_is_another_key(tmp_path: Path) -> None:
    """However deep it lies, in whatever language, and a new one or one less too."""
    room, own = tmp_path / "models", tmp_path / "own.py"
    sources = [room / "a.py", room / "kernel" / "b.c", room / "deep" / "er" / "c.py", own]
    for file in sources:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("1\n")
    (room / "notes.txt").write_text("1\n")

    def key() -> str:
        return key_of([own], [room])

    keys = [key()]
    for file in sources:
        file.write_text("2\n")
        keys.append(key())
    (room / "deep" / "new.py").write_text("1\n")
    keys.append(key())
    sources[0].rename(room / "renamed.py")
    keys.append(key())
    assert len(set(keys)) == len(keys)
    (room / "notes.txt").write_text("2\n")
    assert key() == keys[-1]


def test_another_library_is_another_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = key_of([])
    monkeypatch.setattr(module, "version", lambda name: "0.0" if name == "lightgbm" else "1.0")
    of_old = key_of([])
    monkeypatch.setattr(module, "version", lambda name: "1.0")
    assert len({before, of_old, key_of([])}) == 3


def test_the_rooms_that_train_are_there() -> None:
    for room in ROOMS:
        assert any(room.rglob("*.py")), room
    assert any(ROOMS[0].rglob("*.c"))
