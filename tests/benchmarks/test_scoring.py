"""The report of the scoring benchmark: complete tables, targets told plainly, a README that is written in place."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.scoring import LOCKS
from benchmarks.scoring_report import BEGIN, END, report, targets, write_readme
from millrace.bench import contest
from millrace.bench.contestants import CONTESTANTS

ROOT = Path(__file__).parents[2]
SIZES = (1, 100, 1024)
VERSIONS = {"millrace": "0.1 avx512", "millrace avx512": "0.1 avx512", "millrace avx2": "0.1 avx2"}


def result(forest: str, us: dict[str, float], absent: dict[str, str] | None = None) -> contest.Result:
    """Each contestant takes `us` microseconds for each row."""
    measured = {
        name: contest.Measurement(VERSIONS.get(name, "1.2"), 0.0, {n: n * each for n in SIZES}, {})
        for name, each in us.items()
    }
    return contest.Result(forest, f"shape of {forest}", measured, absent or {})


def test_a_table_has_all_contestants_and_sizes_and_the_ratio_to_the_best_peer() -> None:
    us = {"lleaves": 12.0, "millrace": 1.5, "lightgbm": 30.0, "millrace avx512": 1.4, "millrace avx2": 3.0}
    lines = report([result("A", us)], "A CPU").splitlines()
    assert lines[0].startswith("A CPU, one thread, ")
    assert lines[0].endswith("; LightGBM 1.2, lleaves 1.2. CPU microseconds a call:")
    assert lines[2:] == [
        "| shape of A; rows | 1 | 100 | 1,024 |",
        "|---|---|---|---|",
        "| **Millrace** (avx512) | **1.50** | **150** | **1,540** |",
        "| Millrace, forced to avx2 | 3.00 | 300 | 3,070 |",
        "| LightGBM | 30.0 | 3,000 | 30,700 |",
        "| lleaves | 12.0 | 1,200 | 12,300 |",
        "| times the best peer | 8.00 | 8.00 | 8.00 |",
    ]


def test_targets_are_met_or_missed_or_not_measured() -> None:
    us = {"lleaves": 12.0, "millrace": 1.5, "lightgbm": 60.0, "millrace avx512": 1.5}
    told = list(targets([result("A", us, {"millrace avx2": "no such CPU"})]))
    assert told == [
        "A: avx512, 1 row: 1/8 of lleaves: met, 1/8.0",
        "A: avx512, 1 row: 1/35 of lightgbm: met, 1/40.0",
        "A: avx512, 1,024 rows: 1/15 of lleaves: MISSED, 1/8.0",
        "A: avx512, 100 rows: 1/12 of lleaves: MISSED, 1/8.0",
        "A: avx2, 1 row: 1/2.5 of lleaves: not measured: no such CPU",
        "A: avx2, 1,024 rows: 1/4 of lleaves: not measured: no such CPU",
        "A: never slower than a peer: met",
    ]


def test_a_peer_that_is_faster_is_named_with_the_size() -> None:
    slow = result("B", {"lleaves": 12.0, "millrace": 1.5})
    slow.measured["lleaves"].us[100] = 149.0
    assert list(targets([slow]))[-1] == "B: never slower than a peer: MISSED at 100 rows (lleaves)"


def test_the_readme_is_written_between_its_marks_and_writing_twice_changes_nothing(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n\n{BEGIN}\nold\n{END}\n\nafter\n")
    write_readme(readme, "| new |")
    once = readme.read_text()
    assert once == f"before\n\n{BEGIN}\n| new |\n{END}\n\nafter\n"
    write_readme(readme, "| new |")
    assert readme.read_text() == once


@pytest.mark.parametrize("text", ["", f"{BEGIN}\n", f"{BEGIN}\n{END}\n{END}\n"])
def test_a_readme_without_its_marks_is_left_alone(tmp_path: Path, text: str) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(text)
    with pytest.raises(ValueError, match="scoring:begin"):
        write_readme(readme, "new")
    assert readme.read_text() == text


def test_the_readme_of_the_project_has_the_marks() -> None:
    text = (ROOT / "README.md").read_text()
    assert (text.count(BEGIN), text.count(END)) == (1, 1)


def test_peers_are_pinned_with_hashes_and_name_no_index() -> None:
    packages = {"daal4py": "scikit-learn-intelex", "timber": "timber-compiler", "xgboost": "xgboost-cpu",
                "nvforest": "nvforest-cu12"}  # fmt: skip
    assert set(LOCKS) == set(CONTESTANTS) - {"millrace", "lightgbm"}
    for peer, lock in {**LOCKS, "quixstreams": ROOT / "benchmarks" / "quix.lock"}.items():
        text = lock.read_text()
        assert f"\n{packages.get(peer, peer)}==" in f"\n{text}"
        assert "--hash=sha256:" in text
        assert "://" not in text
        assert "--index-url" not in text
