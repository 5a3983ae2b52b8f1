"""C extensions as build products: built from their sources by whatever compiler there is, and loaded.

C files of a package ─► build_extension ─► library ─► loaded
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

WARNINGS = ("-Wall", "-Wextra", "-Werror", "-Wno-cast-function-type")
FLAGS = ("-std=gnu11", "-ffp-contract=off", "-fPIC", "-shared", "-DMILLRACE_OWN_PYTHON_ABI", *WARNINGS)
ZIG = (sys.executable, "-m", "ziglang", "cc")


def compiler() -> tuple[str, ...]:
    return ("cc",) if shutil.which("cc") else ZIG


def build_extension(sources: Path, library: Path, *command: str) -> None:
    """All C files of a folder, without headers of Python.

    Args:
        command: the compiler and more options.
    """
    files = sorted(map(str, sources.glob("*.c")))
    subprocess.run([*(command or compiler()), "-O1", *FLAGS, *files, "-o", str(library), "-lm"], check=True)


def loaded(library: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("_native", library)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
