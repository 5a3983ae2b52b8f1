"""The table of broken sensors, on a small fleet of the shape of C-MAPSS."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.sensor_faults import KINDS, Figures, broken, folds, held_out, measure, rmse, run, trained
from tests.benchmarks.test_cmapss import table


def test_engines_stay_together_in_folds_of_one_size() -> None:
    rows = table(np.random.default_rng(0), 20, False)
    fold = folds(rows, 0)
    of_engine = [set(fold[rows[:, 0] == unit]) for unit in range(1, 21)]
    assert [len(found) for found in of_engine] == [1] * 20
    assert np.bincount([min(found) for found in of_engine]).tolist() == [4] * 5


@pytest.mark.long
def test_each_kind_of_fault_breaks_one_sensor_where_it_says_and_has_a_line_in_the_table(tmp_path: Path) -> None:
    rows = table(np.random.default_rng(0), 20, False)
    fold = folds(rows, 0)
    store = trained({"FD009": rows}, {"FD009": fold}, 0, tmp_path / "models")
    given = held_out("FD009", rows[fold == 0], store, np.random.default_rng(0))
    column = given.batch.readings[:, given.preparation.sensors[0]]
    for kind in KINDS:
        differs = np.flatnonzero(broken(kind, given, 0, given.worn) != column)
        assert all(any(begin <= place < end for begin, end in given.worn) for place in differs)
        assert len(differs) >= (4 if kind == "spike" else 76)
    figures: dict[tuple[str, int], Figures] = {}
    for key in [("", -1), *((kind, int(sensor)) for kind in KINDS for sensor in given.preparation.sensors)]:
        figures[key] = Figures.none()
    measure(given, figures)
    assert 0 < rmse(figures["", -1]) < rmse(figures["drift", int(given.preparation.sensors[0])])
    np.savetxt(tmp_path / "train_FD009.txt", rows)
    lines = list(run(["FD009"], tmp_path, 1, 0))
    assert [line.split()[0] for line in lines[2:]] == list(KINDS)
