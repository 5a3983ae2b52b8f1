"""Build backend: setuptools', with zig from the package index as the C compiler where the system has none.

pip or uv ─► get_requires_for_build_* (adds `ziglang` if needed) ─► build_* (sets CC) ─► setuptools ─► setup.py

PEP 517 and PEP 660. A compiler named in `CC` is always taken.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from setuptools import build_meta

ZIG = "ziglang>=0.14"
PROBE = "#include <math.h>\n#include <stdlib.h>\nint main(void) { return abs((int)floor(0.5)); }\n"
Settings = dict[str, Any] | None

prepare_metadata_for_build_wheel = build_meta.prepare_metadata_for_build_wheel
prepare_metadata_for_build_editable = build_meta.prepare_metadata_for_build_editable
get_requires_for_build_sdist = build_meta.get_requires_for_build_sdist
build_sdist = build_meta.build_sdist


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    return [*build_meta.get_requires_for_build_wheel(config_settings), *_compiler_requirements()]


def get_requires_for_build_editable(config_settings: Settings = None) -> list[str]:
    return [*build_meta.get_requires_for_build_editable(config_settings), *_compiler_requirements()]


def build_wheel(wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None) -> str:
    _choose_compiler()
    return str(build_meta.build_wheel(wheel_directory, config_settings, metadata_directory))


def build_editable(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    _choose_compiler()
    return str(build_meta.build_editable(wheel_directory, config_settings, metadata_directory))


def _compiler_requirements() -> list[str]:
    return [] if "CC" in os.environ or _system_compiler() else [ZIG]


def _choose_compiler() -> None:
    """Tells setuptools which compiler to run, through the variables that it reads."""
    if "CC" in os.environ:
        return
    compiler = _system_compiler()
    if compiler is None:
        # The flags that Python itself was built with are for another compiler
        compiler = f"{shlex.quote(sys.executable)} -m ziglang cc"
        os.environ.update(CC=compiler, LDSHARED=f"{compiler} -shared", CFLAGS="-O3 -fPIC", LDFLAGS="")
    else:
        os.environ["CC"] = compiler


@cache
def _system_compiler() -> str | None:
    """The first C compiler of the system that compiles and links a program with the C library's headers."""
    configured = sysconfig.get_config_var("CC") or ""
    for compiler in dict.fromkeys([configured, "cc", "gcc", "clang"]):
        if compiler and shutil.which(shlex.split(compiler)[0]) and _compiles(compiler):
            return compiler
    return None


def _compiles(compiler: str) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "probe.c"
        source.write_text(PROBE)
        command = [*shlex.split(compiler), str(source), "-o", str(Path(folder) / "probe"), "-lm"]
        probe = subprocess.run(command, capture_output=True, check=False)  # noqa: S603  the system's own compiler
    return probe.returncode == 0
