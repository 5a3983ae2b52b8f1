"""The C extensions; everything else is in pyproject.toml. models/kernel/backend.py finds a compiler."""

from pathlib import Path

from setuptools import Extension, setup

PACKAGES = ("models.kernel", "models.maintenance.kernel", "models.recommender.kernel", "streams.wire")
SHARED = Path("models/native")  # headers


def extension(package: str) -> Extension:
    """All C files of a package, as its module `_native`."""
    folder = Path(package.replace(".", "/"))
    return Extension(
        f"{package}._native",
        sources=sorted(str(path) for path in folder.glob("*.c")),
        depends=sorted(str(path) for place in (folder, SHARED) for path in place.glob("*.h")),
        # No contraction: a fused multiply-add would change bits of the scores
        extra_compile_args=["-O3", "-std=gnu11", "-ffp-contract=off", "-fvisibility=hidden"],
        libraries=["m"],
        py_limited_api=True,
    )


setup(
    ext_modules=[extension(package) for package in PACKAGES],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
