"""The C extension of this package; everything else is in pyproject.toml. models/kernel/backend.py finds a compiler."""

from pathlib import Path

from setuptools import Extension, setup

KERNEL = Path("models/kernel")

setup(
    ext_modules=[
        Extension(
            "models.kernel._native",
            sources=sorted(str(path) for path in KERNEL.glob("*.c")),
            depends=sorted(str(path) for path in KERNEL.glob("*.h")),
            # No contraction: a fused multiply-add would change bits of the scores
            extra_compile_args=["-O3", "-std=gnu11", "-ffp-contract=off", "-fvisibility=hidden"],
            libraries=["m"],
            py_limited_api=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
