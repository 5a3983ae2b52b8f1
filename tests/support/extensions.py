"""C extensions as tests build them: without Python.h, for another processor, under the sanitizers.

C files of a package ─► built ─► library ─► loaded;  those that know no Python, and fuzz.c of the tests ─► fuzzed
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest

WARNINGS = ("-Wall", "-Wextra", "-Werror", "-Wno-cast-function-type")
FLAGS = (
    "-O1",
    "-std=gnu11",
    "-ffp-contract=off",
    "-fvisibility=hidden",
    "-fPIC",
    "-shared",
    "-DMILLRACE_OWN_PYTHON_ABI",
    *WARNINGS,
)
SANITIZERS = ("-std=gnu11", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", *WARNINGS)

ZIG = (sys.executable, "-m", "ziglang", "cc")

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")


def built(sources: Path, library: Path, compiler: Sequence[str] = ()) -> Path:
    """All C files of a folder, without Python.h, as `library`; by zig where there is no compiler."""
    compiler = compiler or (("cc",) if shutil.which("cc") else ZIG)
    files = map(str, sorted(sources.glob("*.c")))
    done = subprocess.run(
        [*compiler, *FLAGS, *files, "-o", str(library), "-lm"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return library


def loaded(library: Path) -> ModuleType:
    """The extension `_native` of another place."""
    spec = importlib.util.spec_from_file_location("_native", library)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def is_built_for_arm(sources: Path, folder: Path) -> bool:
    compiler: tuple[str, ...] = ("aarch64-linux-gnu-gcc",)
    if shutil.which(compiler[0]) is None:
        pytest.importorskip("ziglang", reason="needs aarch64-linux-gnu-gcc, or zig (the ziglang package)")
        compiler = (*ZIG, "-target", "aarch64-linux-gnu")
    library = built(sources, folder / "arm.so", compiler)
    return int.from_bytes(library.read_bytes()[18:20], "little") == 183  # EM_AARCH64


def assert_sanitizers_find_nothing(sources: Path, fuzz: Path, folder: Path, *arguments: str) -> None:
    """Runs `fuzz` with the C files that know no Python."""
    program = folder / "fuzz"
    files = [str(file) for file in sorted(sources.glob("*.c")) if "python.h" not in file.read_text()]
    command = ["cc", *SANITIZERS, f"-I{sources}", str(fuzz), *files, "-o", str(program), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and "cannot find" in done.stderr:
        pytest.skip("needs the libraries of the sanitizers")
    assert done.returncode == 0, done.stderr
    done = subprocess.run([str(program), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-6000:]
