"""What `millrace models` says when workers do not follow, and when they are ahead of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from millrace.cli import run
from millrace.commands.models import PromotionError, _tell_what_workers_did
from models.compiler import compile_forest
from models.registry import ModelStore
from schemas import Alias, AliasRecord, Settings
from streams.serving import WorkerAnswer
from tests.models.forests import small_booster
from tests.models.registry.test_store import manifest

SILENT = WorkerAnswer("edge-2", "it has not answered within half a minute", is_silent=True)
REFUSED = WorkerAnswer("edge-3", "it is bad")


def failure(monkeypatch: pytest.MonkeyPatch, alias: Alias, answers: Sequence[WorkerAnswer]) -> PromotionError:
    async def answered(*_: Any) -> Sequence[WorkerAnswer]:
        return answers

    monkeypatch.setattr("streams.serving.answers_of_workers", answered)
    record = AliasRecord(name="wear", alias=alias, version="2", changed_at=datetime.now(UTC))
    with pytest.raises(PromotionError) as caught:
        _tell_what_workers_did(Settings(), record)
    return caught.value


def test_who_refused_and_who_is_silent_are_told_apart(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = failure(monkeypatch, "champion", [WorkerAnswer("edge-1", ""), SILENT, REFUSED])
    assert "1 of 3 edge workers refused: edge-3. They go on with what they ran." in error.detail
    assert "1 of 3 edge workers did not answer yet: edge-2. They change over when they can." in error.detail
    assert "The champion of wear is moved to 2 all the same." in error.detail
    said = capsys.readouterr().out
    assert "edge-1 runs it.\nedge-2 has not told that it runs it: " in said
    assert "edge-3 does not run it: it is bad" in said


def test_nothing_is_said_of_refusing_where_nobody_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    error = failure(monkeypatch, "champion", [SILENT])
    assert "go on with what they ran" not in error.detail
    assert "Mend" not in error.advice


@pytest.mark.parametrize(("alias", "back"), [("champion", "rollback"), ("challenger", "withdraw")])
def test_the_advice_takes_back_what_was_done(monkeypatch: pytest.MonkeyPatch, alias: Alias, back: str) -> None:
    assert f"`millrace models {back} wear`" in failure(monkeypatch, alias, [REFUSED]).advice


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelStore:
    """A home with one model and a Kafka that nothing is sent to."""
    monkeypatch.setenv("MILLRACE_HOME", str(tmp_path))
    monkeypatch.setenv("MILLRACE_KAFKA", "127.0.0.1:1")
    store = ModelStore(tmp_path / "models")
    booster, rows = small_booster()
    store.save(manifest(version="1"), {"score": compile_forest(booster, "wear", rows)})
    return store


def test_a_challenger_that_a_worker_of_the_same_home_withdrew_first_is_withdrawn(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def followed_at_once(_: Settings, __: Any, record: AliasRecord) -> None:
        store.move(record)

    monkeypatch.setattr("streams.serving.publish", followed_at_once)
    monkeypatch.setenv("MILLRACE_ALLOW_UNSIGNED_MODELS", "true")
    store.promote("wear", "1", "challenger")
    assert run(["models", "withdraw", "wear"]) == 0
    assert "wear has no challenger any more." in capsys.readouterr().out
    assert run(["models", "withdraw", "wear"]) == 1  # there was none to withdraw
    assert "has no challenger in" in " ".join(capsys.readouterr().err.split())
