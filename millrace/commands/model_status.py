"""What the edge workers say of a model: who runs which version, what was refused and why, how its challenger differs.

database (workers' status) ─► read_status ─► tell_status (terminal) or JSON
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from rich.bar import Bar
from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas import Comparison, MillraceError, Settings, WorkerStatus

SILENCE = timedelta(seconds=30)
WIDEST_BAR = 40


def read_status(settings: Settings) -> list[WorkerStatus]:
    """What the workers told within half a minute; nothing where there is no database to read it from."""
    from storage import Store

    store = Store(settings.database())
    try:
        with store.reading() as reader:
            return reader.workers(datetime.now(UTC) - SILENCE)
    except MillraceError:  # no service was ever started here, or its database is away
        return []
    finally:
        store.close()


def tell_status(console: Console, name: str, workers: Sequence[WorkerStatus]) -> None:
    """Prints what concerns the model."""
    console.print(Text("\nEdge workers", style="bold"))
    running = [(status, r) for status in workers for r in status.running if r.name == name]
    if not running:
        console.print("None has told within half a minute that it runs this model.")
    for status, r in running:
        signed = "signed" if r.is_signed else "not signed"
        console.print(f"{status.worker} runs {r.version} as {r.alias}, {signed}, by {status.evaluator}", soft_wrap=True)
    for status in workers:
        for refusal in (r for r in status.refused if r.name == name):
            console.print(Text(f"{status.worker} refused {refusal.version}: {refusal.reason}", "red"), soft_wrap=True)
        for comparison in (c for c in status.comparisons if c.name == name):
            _tell_comparison(console, comparison, status.worker)


def _tell_comparison(console: Console, found: Comparison, worker: str) -> None:
    console.print(Text(f"\nChallenger {found.challenger} beside champion {found.champion} on {worker}", style="bold"))
    facts = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    facts.add_row("decisions", f"{found.decisions:,} since {found.since:%Y-%m-%d %H:%M:%S} UTC")
    facts.add_row(
        "difference", f"{found.difference_mean:+.4g} on average, standard deviation {found.difference_deviation:.4g}"
    )
    if found.agreement_at_20 is not None:
        facts.add_row("agreement at 20", f"{found.agreement_at_20:.1%}")
    if found.next_clicks:
        champion, challenger = found.champion_hits / found.next_clicks, found.challenger_hits / found.next_clicks
        hits = f"by the champion {champion:.1%}, by the challenger {challenger:.1%}"
        facts.add_row("next click listed", f"{hits} of {found.next_clicks:,}")
    facts.add_row("cost", f"{found.cpu_us:.1f} us of CPU a decision")
    console.print(facts)
    if found.histogram:
        console.print(_histogram(found, console.width))
        console.print(_calibration(found))


def _histogram(found: Comparison, width: int) -> Table:
    table = Table("challenger - champion", "decisions", "", box=None, pad_edge=False, header_style="dim")
    table.columns[1].justify = "right"
    bounds = [
        f"below {found.edges[0]:.3g}",
        *(f"to {edge:.3g}" for edge in found.edges[1:]),
        f"above {found.edges[-1]:.3g}",
    ]
    most, room = max(found.histogram), min(WIDEST_BAR, max(10, width - 40))
    for bound, count in zip(bounds, found.histogram, strict=True):
        table.add_row(bound, f"{count:,}", Bar(most, 0, count, width=room, color="cyan"))
    return table


def _calibration(found: Comparison) -> Table:
    table = Table("decisions", "champion's mean", "challenger's", box=None, pad_edge=False, header_style="dim")
    for column in table.columns:
        column.justify = "right"
    for tenth in found.calibration:
        table.add_row(f"{tenth.count:,}", f"{tenth.champion:.4g}", f"{tenth.challenger:.4g}")
    return table
