"""Held-out rows: written, read, refused, divided, and judged by the metric of the model."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from models.held_out import HeldOut, read_held_out, write_held_out
from models.shrink.judge import Judge
from schemas import PROFILES, Manifest, ModelError, PackFile, Training

NAMES = ["speed", "heat", "wear_1.trend"]
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def manifest(kind: Any = "rul", roles: tuple[str, ...] = ("score",)) -> Manifest:
    pack = PackFile(file="score.pack", sha256="0" * 64, bytes=1, trees=1, features=3)
    return Manifest(
        name="pump", version="1", kind=kind, created_at=NOW, features=NAMES, packs=dict.fromkeys(roles, pack),
        profile=PROFILES["portal"] if kind == "recommender" else None,
        training=Training(first_event=NOW, last_event=NOW, events=1, rows=1, seconds=1), metrics={}, libraries={},
    )  # fmt: skip


def held_out(rows: int = 400, groups: int = 20, unlabelled: int = 0) -> HeldOut:
    rng = np.random.default_rng(0)
    label = rng.uniform(0, 50, rows)
    label[:unlabelled] = np.nan
    features = rng.normal(size=(rows, 3)).astype(np.float32)
    features[5, 1] = np.nan
    return HeldOut(features, {"label": label}, np.arange(rows) * groups // rows, label + 1.0)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    written = held_out()
    write_held_out(tmp_path / "new" / "rows.parquet", NAMES, written)
    found = read_held_out(tmp_path / "new" / "rows.parquet", manifest(roles=("score", "low", "high")))
    assert np.array_equal(found.rows, written.rows, equal_nan=True)
    assert np.array_equal(found.labels["label"], written.labels["label"])
    assert np.array_equal(found.group, written.group)
    assert found.value is not None
    assert np.array_equal(found.value, written.labels["label"] + 1.0)


def test_columns_may_be_in_any_order_and_more_than_needed(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    write_held_out(path, NAMES, held_out())
    table = pyarrow.parquet.read_table(path)
    shuffled = table.select(["label", "wear_1.trend", "group", "speed", "value", "heat"]).take(list(range(399, -1, -1)))
    pyarrow.parquet.write_table(shuffled.append_column("note", pyarrow.array(["x"] * 400)), path)
    found = read_held_out(path, manifest())
    assert np.array_equal(np.sort(found.rows[:, 0]), np.sort(held_out().rows[:, 0]))
    assert np.array_equal(found.group, held_out().group)  # groups are neighbours again


def changed(path: Path, name: str, column: Any) -> None:
    table = pyarrow.parquet.read_table(path)
    table = table.drop_columns([name])
    pyarrow.parquet.write_table(table if column is None else table.append_column(name, column), path)


@pytest.mark.parametrize(
    ("name", "column", "message"),
    [
        ("heat", None, "lacks 1 columns that pump 1 needs: heat"),
        ("label", None, "lacks 1 columns that pump 1 needs: label"),
        ("heat", pyarrow.array(["hot"] * 400), "heat of .* holds string, not numbers"),
        ("group", pyarrow.array([None] * 400, pyarrow.int64()), "group of .* missing or infinite"),
        ("group", pyarrow.array([1] * 400), "400 rows with a label, of 1 groups"),
        ("label", pyarrow.array([None] * 399 + [1.0]), "1 rows with a label, of 1 groups"),
    ],
)
def test_rows_that_cannot_judge_are_refused(tmp_path: Path, name: str, column: Any, message: str) -> None:
    path = tmp_path / "rows.parquet"
    write_held_out(path, NAMES, held_out())
    changed(path, name, column)
    with pytest.raises(ModelError, match=message):
        read_held_out(path, manifest())


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read as Parquet"):
        read_held_out(tmp_path / "none.parquet", manifest())
    (tmp_path / "text").write_text("speed,heat\n1,2\n")
    with pytest.raises(ModelError, match="cannot be read as Parquet"):
        read_held_out(tmp_path / "text", manifest())
    with pytest.raises(ModelError, match="a feature has the name 'value'"):
        write_held_out(tmp_path / "rows.parquet", ["speed", "heat", "value"], held_out())


@pytest.mark.parametrize("unlabelled", [0, 200])
def test_parts_share_no_group_and_teachers_have_no_label_where_such_rows_are(unlabelled: int) -> None:
    given = held_out(unlabelled=unlabelled)
    teaching, choosing, telling = given.parts()
    groups = [set(part.group.tolist()) for part in (teaching, choosing, telling)]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 20
    assert abs(len(groups[1]) - len(groups[2])) <= 1
    assert choosing.is_labelled.all()
    assert telling.is_labelled.all()
    assert teaching.is_labelled.any() == (unlabelled == 0)
    assert len(teaching.rows) == (200 if unlabelled else 140)  # a third of the groups otherwise


def judge(kind: str, label: list[float], group: list[int], role: str = "score", value: Any = None) -> Judge:
    column = "label" + role.removeprefix("score") if role.startswith("score-") else "label"
    rows = np.zeros((len(label), 60), np.float32)
    rows[:, :] = 1e9  # no item is fresh
    return Judge(manifest(kind), role, HeldOut(rows, {column: np.array(label)}, np.array(group), value))


def test_rankings_are_judged_by_mean_reciprocal_rank() -> None:
    found = judge("recommender", [0, 1, 0, 0, 0, 1, 0, 0], [0, 0, 0, 1, 1, 2, 2, 2])
    scores = np.array([3.0, 2.0, 1.0, 5.0, 4.0, 9.0, 1.0, 1.0])
    assert found.measured(scores).tolist() == [0.5, 0.0, 1.0]  # second, not a candidate, first
    assert found.figures(scores) == {"mrr_20": 0.5, "hr_20": pytest.approx(2 / 3)}
    loss, error = found.loss(np.array([0.25, 0.0, 1.0]), np.array([0.5, 0.0, 1.0]))
    assert loss == pytest.approx(0.25 / 1.5)
    assert error > 0


def test_lives_are_judged_by_the_root_of_the_squared_error() -> None:
    found = judge("rul", [10.0, 20.0, 30.0, 40.0], [0, 0, 1, 1])
    scores = np.array([13.0, 24.0, 30.0, 40.0])
    assert found.measured(scores).tolist() == [25.0, 0.0]
    assert found.figures(scores) == {"rmse": 2.5}
    assert found.loss(np.array([4.0, 4.0]), np.array([1.0, 1.0]))[0] == pytest.approx(1.0)  # twice the error


def test_probabilities_are_judged_by_log_loss() -> None:
    found = judge("failure_probability", [1.0, 0.0], [0, 1], "score-bearing")
    assert found.measured(np.array([0.5, 0.2])) == pytest.approx([-np.log(0.5), -np.log(0.8)])
    assert np.isfinite(found.measured(np.array([0.0, 1.0]))).all()


def test_bounds_are_judged_by_pinball_loss_of_the_residual() -> None:
    value = np.array([10.0, 10.0])
    low = judge("rul", [12.0, 8.0], [0, 1], "low", value)
    assert low.rows.shape == (2, 61)
    assert low.measured(np.zeros(2)) == pytest.approx([0.05 * 2, 0.95 * 2])
    high = judge("rul", [12.0, 8.0], [0, 1], "high", value)
    assert high.measured(np.zeros(2)) == pytest.approx([0.95 * 2, 0.05 * 2])
