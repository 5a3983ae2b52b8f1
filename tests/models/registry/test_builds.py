"""How often a pack is decoded and built on its way from a booster into a worker."""

from __future__ import annotations

import sys
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from models.compiler import compile_forest
from models.kernel import EVALUATORS
from models.packs import pack, scorer
from models.registry.records import records_of
from models.registry.store import Model, ModelStore
from schemas import Alias
from streams.serving import Serving
from tests.models.forests import small_booster
from tests.models.registry.keys import KEY, assembled, trust
from tests.models.registry.test_store import manifest


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Of the real functions, in all modules that have them."""
    counts: Counter[str] = Counter()
    for what, function in (("decoded", pack.read_pack), ("built", scorer.Forest)):

        def counting(*arguments: Any, _what: str = what, _function: Any = function, **more: Any) -> Any:
            counts[_what] += 1
            return _function(*arguments, **more)

        for module in [m for name, m in sys.modules.items() if name.startswith("models.") and m is not pack]:
            if getattr(module, function.__name__, None) is function:
                monkeypatch.setattr(module, function.__name__, counting)
    return counts


class Shelf:
    """A seat that keeps what is placed."""

    runtime: Any = None

    def __init__(self) -> None:
        self.placed: list[Model] = []

    def place(self, model: Model, alias: Alias, since: datetime) -> None:
        self.placed.append(model)


async def test_a_pack_is_built_once_where_it_is_saved_and_once_where_it_serves(
    tmp_path: Path, counts: Counter[str]
) -> None:
    booster, rows = small_booster()
    blob = compile_forest(booster, "wear", rows)
    assert counts == {"decoded": 1, "built": 2 * len(EVALUATORS)}  # the parity gate: each evaluator, two ways
    counts.clear()

    centre = ModelStore(tmp_path / "centre")
    centre.save(manifest(), {"score": blob})
    assert counts == {"decoded": 1, "built": 1}  # for the golden rows
    counts.clear()

    centre.promote("wear", "1")
    records = list(records_of(centre.sign("wear", "1", KEY)))
    edge, shelf = ModelStore(tmp_path / "edge"), Shelf()
    serving = Serving(edge, trust(KEY), shelf, {})  # type: ignore[arg-type]
    await serving.receive(assembled(records))
    edge.promote("wear", "1")
    assert not counts  # all of it is only verified

    serving.restore()
    assert [model.is_signed for model in shelf.placed] == [True]
    assert counts == {"decoded": 1, "built": 1}  # golden rows are scored by the very scorer that serves
