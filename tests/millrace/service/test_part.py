"""A part's log is bounded, also while the part writes it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from millrace.service import part as part_module
from millrace.service.part import Part


@pytest.mark.long
async def test_a_log_is_bounded_while_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_module, "MOST_LOG_BYTES", 1000)
    one = Part("help", ["--help"], tmp_path / "help.log", "")
    for _ in range(2):
        await one.launch()
        assert one.process is not None
        assert await asyncio.wait_for(one.process.wait(), 60) == 0
        assert one.log.stat().st_size > 1000
        one.bound_log()
        assert one.log.stat().st_size == 0
    kept = tmp_path / "help.log.1"
    assert "millrace" in kept.read_text()
    assert "help.log" in one.last_words()


def test_a_lost_log_ends_nothing(tmp_path: Path) -> None:
    one = Part("any", [], tmp_path / "any.log", "")
    assert "cannot be read" in one.last_words()
    one.bound_log()
    assert one.log.exists()
