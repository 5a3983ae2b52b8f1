"""`millrace train` that keeps LightGBM's text of the forests: python -m benchmarks.peers.train FOLDER ARGUMENTS."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from millrace.cli import main
from models.compiler import compile_forest


def keep(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)

    def kept(booster: Any, name: str, rows: Any) -> bytes:
        booster.save_model(folder / f"{name}.txt")
        return compile_forest(booster, name, rows)

    importlib.import_module("models.maintenance.training.train").compile_forest = kept  # type: ignore[attr-defined]


if __name__ == "__main__":
    keep(Path(sys.argv.pop(1)))
    main()
