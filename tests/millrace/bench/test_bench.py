"""The contest is fair and complete, and `millrace bench` measures what it says. Times are never asserted."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import shutil
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
from typer.testing import CliRunner

from millrace.bench import contest, forests, inference, tables
from millrace.bench.contestants import Stopwatch, Way, largest_error
from millrace.bench.inference import Cost
from millrace.commands.bench import tell_inference, tell_scoring
from models.stages import STAGES

pytestmark = pytest.mark.long

TINY = forests.ForestShape("T", 4, 7, 6, rows=200, train_rows=2000)
FAST = contest.Turns(rounds=2, seconds=0.001)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return forests.prepare(TINY, tmp_path_factory.mktemp("forests"))


def copied(folder: Path, to: Path) -> Path:
    return Path(shutil.copytree(folder, to / "forest"))


def test_every_contestant_has_a_figure_for_every_size(folder: Path) -> None:
    shares: list[float] = []
    entries = [*contest.installed(("millrace", "lightgbm")), *contest.forced()]
    result = contest.hold(TINY, folder, entries, (1, 3, 64), FAST, shares.append)
    assert {"millrace", "lightgbm"} <= set(result.measured)
    assert set(result.measured) | set(result.absent) == {entry.name for entry in entries}
    for measured in result.measured.values():
        assert list(measured.us) == list(measured.way) == [1, 3, 64]
        assert all(us > 0 for us in measured.us.values())
        assert measured.largest_error == 0.0
    assert "score_one" not in result.measured["millrace"].way[3]
    assert result.best_peer(3) == ("lightgbm", result.measured["lightgbm"].us[3])
    assert result.gain(3) == result.measured["lightgbm"].us[3] / result.measured["millrace"].us[3]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    ours = result.measured["millrace"].version.split()[-1]
    assert any(name.endswith(ours) for name in [*result.measured, *result.absent])
    json.dumps(dataclasses.asdict(result))


def test_a_contestant_that_scores_otherwise_is_refused(folder: Path, tmp_path: Path) -> None:
    other = copied(folder, tmp_path)
    rows, target = np.load(other / "rows.npy"), np.load(other / "reference.npy")
    wrong = lightgbm.train({"verbose": -1, "num_threads": 1, "num_leaves": 4}, lightgbm.Dataset(rows, target), 4)
    wrong.save_model(other / "model.txt")
    with pytest.raises(contest.ContestError, match=r"lightgbm .* differs from LightGBM by .* 0 is allowed"):
        contest.hold(TINY, other, contest.installed(("millrace", "lightgbm")), (1,), FAST)


def test_who_cannot_take_part_is_told_and_without_peers_there_is_no_contest(folder: Path, tmp_path: Path) -> None:
    damaged = copied(folder, tmp_path)
    (damaged / "model.txt").write_text("tree\n")
    with pytest.raises(contest.ContestError, match="Too few take part: millrace"):
        contest.hold(TINY, damaged, contest.installed(("millrace", "lightgbm")), (1,), FAST)
    entries = [*contest.installed(("millrace", "lightgbm")), contest.Entry("nobody", "nobody")]
    result = contest.hold(TINY, folder, entries, (1,), FAST)
    assert result.absent == {"nobody": "KeyError: 'nobody'"}


def test_a_forest_is_made_once_and_has_its_shape(folder: Path) -> None:
    before = (folder / "rows.npy").stat().st_mtime_ns
    assert forests.prepare(TINY, folder.parent) == folder
    assert (folder / "rows.npy").stat().st_mtime_ns == before
    booster = lightgbm.Booster(model_file=str(folder / "model.txt"))
    assert (booster.num_trees(), booster.num_feature()) == (4, 6)
    rows = np.load(folder / "rows.npy")
    assert rows.shape == (200, 6)
    assert rows.dtype == np.float32
    assert np.isnan(rows).any()
    with pytest.raises(forests.ShapeError, match="not 4 trees x 200 leaves"):
        forests.prepare(dataclasses.replace(TINY, leaves=200, train_rows=500), folder.parent)


def test_rows_rotate_and_never_come_twice_in_a_row() -> None:
    rows, seen = np.arange(50, dtype=np.float32).reshape(25, 2), []
    ways = [Way("rows", np.float64, lambda batch: seen.append((batch.dtype, batch.shape, float(batch[0, 0]))))]
    name, us = Stopwatch(ways, rows).best_us(4, 0.0001)
    assert name == "rows"
    assert us > 0
    assert {shape for _, shape, _ in seen} == {(4, 2)}
    assert {dtype for dtype, _, _ in seen} == {np.dtype(np.float64)}
    firsts = [first for _, _, first in seen]
    assert firsts[:7] == [0, 8, 16, 24, 32, 40, 0]
    assert all(one != next_one for one, next_one in itertools.pairwise(firsts))


def test_the_better_way_stands_for_the_contestant() -> None:
    def slow(batch: Any) -> None:
        for _ in range(2000):
            batch.sum()

    ways = [Way("slow", np.float32, slow), Way("fast", np.float32, len), Way("one", np.float32, slow, takes_one=True)]
    stopwatch = Stopwatch(ways, np.zeros((64, 2), np.float32))
    assert stopwatch.best_us(2, 0.001)[0] == "fast"
    assert stopwatch.best_us(1, 0.001)[0] == "fast"


def test_errors_are_measured_against_the_largest_score() -> None:
    rows, reference = np.ones((3, 1), np.float32), np.array([1.0, -4.0, 2.0])
    assert largest_error(Way("", np.float64, lambda _: reference[:, None]), rows, reference) == 0.0
    assert largest_error(
        Way("", np.float64, lambda _: reference + np.array([0, 0, 0.4])), rows, reference
    ) == pytest.approx(0.1)
    assert largest_error(Way("", np.float64, lambda _: reference * np.nan), rows, reference) == math.inf
    assert largest_error(Way("", np.float64, lambda _: 1.0, takes_one=True), rows, reference) == 5 / 4


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.706, ".71"), (1.0, "1.00"), (9.994, "9.99"), (18.52, "18.5"), (252.6, "253"), (4664.0, "4,660"), (0.0, "0.00")],
)
def test_figures_have_three_digits(value: float, text: str) -> None:
    assert tables.figure(value) == text


def test_the_cpu_is_named(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: A CPU 3000\nflags\t: none\n")
    assert tables.cpu_name(tmp_path / "cpuinfo") == "A CPU 3000"
    assert tables.cpu_name(tmp_path / "none")


def test_money_is_that_of_the_core_time() -> None:
    cost = Cost("readings", 64, 1000, 1200, dict.fromkeys(STAGES, 7.2))
    assert cost.total_us == 36.0
    assert cost.money(0.10) == pytest.approx(0.001)  # 36 CPU seconds, a hundredth of an hour
    sent = dataclasses.replace(cost, client_us=36.0)
    assert sent.money(0.10) == pytest.approx(0.002)


def test_bench_measures_scoring_and_the_stages_of_decisions() -> None:
    from millrace.cli import app

    result = CliRunner().invoke(app, ["bench", "--quick", "--json", "--core-hour-price", "0.5"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    (forest,) = told["scoring"]
    assert {"millrace", "lightgbm"} <= set(forest["measured"])
    assert all(set(measured["us"]) == {"1", "64"} for measured in forest["measured"].values())
    costs = told["inference"]
    assert {(cost["kind"], cost["batch"]) for cost in costs} == {
        *(("readings", size) for size in (1, 64, 1000)), *(("clicks", size) for size in (1, 16, 64)),
    }  # fmt: skip
    for cost in costs:
        assert cost["decisions"] > 0
        assert tuple(cost["us"]) == STAGES
        assert all(us > 0 for us in cost["us"].values()), cost
        assert cost["money_per_million"] == pytest.approx(sum(cost["us"].values()) / 3600 * 0.5)


@pytest.mark.kafka
def test_with_kafka_the_client_is_measured_too() -> None:
    costs = inference.measure(inference.QUICK, kafka=True)
    assert len(costs) == 6
    assert all(cost.client_us > 0 for cost in costs)
    assert all(cost.total_us == sum(cost.us.values()) + cost.client_us for cost in costs)


def test_the_tables_have_all_cells_and_fit_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    us = {size: 17_000.0 * size / 1024 for size in contest.ROWS}
    measured = {
        name: contest.Measurement("1.0", 0.0, us, {})
        for name in ("millrace", "lightgbm", "lleaves", "tl2cgen", "onnxruntime")
    }
    tell_scoring(contest.Result("C", str(forests.SHAPES[2]), measured, {"other": "it is ill"}))
    tell_inference([Cost("readings", 1000, 16_000, 20_000, dict.fromkeys(STAGES, 123.4), client_us=12.3)], 0.04)
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line.rstrip()) <= 80 for line in lines), lines
    found = {line.split()[0]: line.split()[1:] for line in lines if len(line.split()) == 9}
    assert found["tl2cgen"] == found["millrace"]
    assert (found["millrace"][0], found["millrace"][-1]) == ("16.6", "17,000")
    assert next(line for line in lines if line.startswith("times as fast")).split()[3:] == ["1.00"] * 8
    assert "other took no part: it is ill" in lines
    answers = next(line for line in lines if line.startswith("readings")).split()
    assert answers == ["readings", "1,000", *["123"] * 5, "12.3", "629", "0.00699"]
