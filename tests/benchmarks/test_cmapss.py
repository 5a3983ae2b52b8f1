"""The C-MAPSS adapter, on a table of the same shape."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from benchmarks.cmapss import figures, predict, read_class, read_events, run_training, write_events
from models.maintenance.training.log import read_log
from schemas import Maintenance, Telemetry


def table(random: np.random.Generator, units: int, cut: bool) -> np.ndarray:
    """Units that wear out over 60 to 90 cycles; columns as in the files of C-MAPSS, all noise but s2, s11 and s12."""
    rows = []
    for unit in range(1, units + 1):
        life = int(random.integers(60, 91))
        for cycle in range(1, life + 1 - (int(random.integers(5, 40)) if cut else 0)):
            sensors = random.normal(500, 1, 21)
            sensors[1] += 8 * (cycle / life) ** 2
            sensors[10:12] -= 8 * (cycle / life) ** 2
            rows.append([unit, cycle, *random.normal(0, 1, 3), *sensors])
    return np.array(rows)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for name, cut in (("train_FD009", False), ("test_FD009", True)):
        with gzip.open(tmp_path / f"{name}.txt.gz", "wt") as file:
            np.savetxt(file, table(random, 12, cut), fmt="%.4f")
    return tmp_path


def test_files_become_events_with_the_failures_of_the_training_units(data: Path, tmp_path: Path) -> None:
    write_events("FD009", data, tmp_path / "out")
    train, test = (
        [event for batch in read_events(tmp_path / "out" / f"FD009-{part}.jsonl") for event in batch]
        for part in ("train", "test")
    )
    failures = [event for event in train if isinstance(event, Maintenance)]
    assert [event.kind for event in failures] == ["failure"] * 12
    assert all(isinstance(event, Telemetry) for event in test)
    assert len({event.event_id for event in [*train, *test]}) == len(train) + len(test)
    assert not {event.asset_id for event in train} & {event.asset_id for event in test}
    log = read_log(read_class(tmp_path / "out", "FD009"), [train])
    assert np.isfinite(log.remaining).all()
    assert log.remaining[np.r_[np.diff(log.life) != 0, True]].tolist() == [0] * 12
    assert set(np.diff(log.remaining)[np.diff(log.life) == 0].round(9)) == {-1.0}


@pytest.mark.long
def test_a_subset_is_trained_and_its_test_units_are_scored(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_events("FD009", data, out)
    run_training(out, ["FD009"])
    last = predict(out, "FD009")
    assert len(last) == 12
    assert all(0 <= low <= value <= high <= 125 for value, low, high in last.values())


def test_figures_follow_their_definitions() -> None:
    last = {"u-1": (100.0, 90.0, 125.0), "u-2": (20.0, 15.0, 25.0), "u-3": (33.0, 25.0, 40.0)}
    found = figures(last, np.array([180.0, 10.0, 33.0]))
    assert found["rmse"] == pytest.approx(np.sqrt((25**2 + 10**2) / 3))
    assert found["phm_score"] == pytest.approx(np.exp(25 / 13) - 1 + np.exp(1) - 1)
    assert found["coverage"] == pytest.approx(2 / 3)
    assert found["interval_width"] == pytest.approx((35 + 10 + 15) / 3)
