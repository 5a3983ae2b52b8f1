"""`millrace bench`: how fast forests are scored on this machine, and what a decision costs on it."""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from millrace.commands.common import Json, tell, tell_json, tell_table
from millrace.commands.progress import Stages
from schemas import load_settings

if TYPE_CHECKING:
    from millrace.bench.contest import Result
    from millrace.bench.inference import Cost

PRICE = 0.04  # USD; a vCPU of the large clouds' general machines costs .03 to .06 an hour
Quick = Annotated[bool, typer.Option("--quick", help="Small models, few repetitions: some seconds, rough figures.")]
Kafka = Annotated[bool, typer.Option("--kafka", help="Start an embedded Kafka and send to it too.")]
Price = Annotated[float, typer.Option(min=0.0, help="Of one core for an hour, in USD or what you pay in.")]


def add_to(app: typer.Typer) -> None:
    app.command()(bench)


def bench(quick: Quick = False, kafka: Kafka = False, core_hour_price: Price = PRICE, as_json: Json = False) -> None:
    """Scoring against LightGBM and installed peers; CPU time and money of a decision. A minute or two."""
    from millrace.bench import inference
    from millrace.bench.tables import cpu_name

    with Stages() as stages:
        results = _scoring(quick, stages)
        effort = inference.QUICK if quick else inference.NORMAL
        costs = inference.measure(effort, stages.share, kafka, load_settings().kafka_jars)
    machine = {"cpu": cpu_name(), "python": platform.python_version()}
    if as_json:
        tell_json(
            {
                **machine,
                "scoring": [asdict(result) for result in results],
                "core_hour_price": core_hour_price,
                "inference": [_plain(cost, core_hour_price) for cost in costs],
            }
        )
        return
    tell(f"{machine['cpu']}, Python {machine['python']}")
    tell("\nScoring n rows in one call: CPU microseconds of the call, one thread")
    for result in results:
        tell_scoring(result)
    tell_inference(costs, core_hour_price)


def _scoring(quick: bool, stages: Stages) -> list[Result]:
    from millrace.bench import contest, forests

    shapes: Sequence[forests.ForestShape] = (forests.SMALL,) if quick else forests.SHAPES
    sizes = (1, 64) if quick else contest.ROWS
    turns = contest.Turns(rounds=1, seconds=0.01) if quick else contest.Turns(rounds=3)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for shape in shapes:
            progress = partial(stages.share, f"scoring with forest {shape.name}")
            progress(0.0)
            home = forests.prepare(shape, Path(folder))
            results.append(contest.hold(shape, home, contest.installed(), sizes, turns, progress))
    return results


def _plain(cost: Cost, core_hour_price: float) -> dict[str, Any]:
    return {**asdict(cost), "total_us": cost.total_us, "money_per_million": cost.money(core_hour_price)}


def tell_scoring(result: Result) -> None:
    from millrace.bench.contest import MILLRACE
    from millrace.bench.tables import figure

    sizes = list(result.measured[MILLRACE].us)
    tell(f"\nForest {result.forest}: {result.shape}")
    rows = [[name, *(figure(measured.us[size]) for size in sizes)] for name, measured in result.measured.items()]
    rows.append(["times as fast", *(figure(result.gain(size)) for size in sizes)])
    tell_table(["n", *(f"{size:,}" for size in sizes)], rows, numbers=True)
    versions = ", ".join(f"{name} {measured.version}" for name, measured in result.measured.items())
    tell(versions)
    for name, reason in result.absent.items():
        tell(f"{name} took no part: {reason}")


def tell_inference(costs: Sequence[Cost], core_hour_price: float) -> None:
    from millrace.bench.tables import figure
    from models.stages import STAGES

    tell(f"\nCPU microseconds a decision, and money per million at {core_hour_price:g} a core-hour")
    sent = any(cost.client_us for cost in costs)
    rows = []
    for cost in costs:
        figures = [*(cost.us[stage] for stage in STAGES), *([cost.client_us] if sent else []), cost.total_us]
        rows.append([cost.kind, f"{cost.batch:,}", *map(figure, figures), f"{cost.money(core_hour_price):.5f}"])
    tell_table(["answers to", "batch", *STAGES, *(["client"] if sent else []), "all", "money"], rows, numbers=True)
    without = "fetching" if sent else "fetching, sending"
    tell(f"Without {without}, checkpoints and the event loop: docs/operations.md.")
