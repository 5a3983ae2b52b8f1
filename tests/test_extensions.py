"""Each C extension as a build product: one binary for all Python versions, other processors, the sanitizers.

What each of them does when it is built without Python.h is asked where its other tests are.
"""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from millrace.service.doctor import KERNELS
from tests.support.extensions import assert_sanitizers_find_nothing, is_built_for_arm, needs_compiler

ROOT = Path(__file__).parents[1]
ROUNDS = {"models.maintenance.kernel": "60000", "models.recommender.kernel": "1000", "streams.wire": "400000"}


def sources(package: str) -> Path:
    return ROOT / package.replace(".", "/")


def test_all_extensions_are_built_and_looked_at() -> None:
    folders = {file.parent for room in ("models", "streams") for file in (ROOT / room).rglob("*.c")}
    assert folders == {sources(package) for package in KERNELS}
    assert all(f'"{package}"' in (ROOT / "setup.py").read_text() for package in KERNELS)


@pytest.mark.parametrize("package", KERNELS)
def test_one_binary_serves_all_python_versions(package: str) -> None:
    assert str(importlib.import_module(f"{package}._native").__file__).endswith(".abi3.so")


@pytest.mark.long
@pytest.mark.parametrize("package", KERNELS)
def test_it_compiles_for_arm(tmp_path: Path, package: str) -> None:
    assert is_built_for_arm(sources(package), tmp_path)


@pytest.mark.long
@needs_compiler
@pytest.mark.parametrize("package", ROUNDS)
def test_sanitizers_find_nothing_whatever_comes_in(tmp_path: Path, package: str) -> None:
    fuzz = ROOT / "tests" / package.replace(".", "/") / "fuzz.c"
    assert_sanitizers_find_nothing(sources(package), fuzz, tmp_path, ROUNDS[package], "7")
