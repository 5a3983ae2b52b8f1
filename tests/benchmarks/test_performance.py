"""docs/performance.md: each part has its place and a command that is there; writing changes nothing else."""

from __future__ import annotations

import importlib.util

import pytest

from benchmarks.performance import COMMANDS, PAGE, written


def test_each_part_has_a_place_and_a_command() -> None:
    page = PAGE.read_text()
    for name, command in COMMANDS.items():
        assert written(page, name, "new") != page
        assert command[0] == "-m"
        assert importlib.util.find_spec(command[1]) is not None


def test_a_part_is_written_in_its_place_alone() -> None:
    page = "a\n<!-- x:begin -->\nold\n<!-- x:end -->\nb\n"
    once = written(page, "x", "| t |")
    assert once == "a\n<!-- x:begin -->\n\n| t |\n\n<!-- x:end -->\nb\n"
    assert written(once, "x", "| t |") == once
    with pytest.raises(ValueError, match="y:begin"):
        written(page, "y", "new")
