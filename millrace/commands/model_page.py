"""The page of a model: its card, what is inside its packs, and a picture of importance.

Model ─► page_facts ─► tell_page (terminal) or JSON
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.bar import Bar
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from millrace.commands.common import PIPE_WIDTH
from millrace.commands.model_status import tell_status
from schemas import WorkerStatus

if TYPE_CHECKING:
    from models.registry import Model

SHOWN_FEATURES, WIDEST_BAR, NARROWEST_BAR = 20, 60, 10
GAIN = "share of the gain of all splits, measured in training"
VARIANCE = "share of what splits explain of the variance of the trees' outputs; from the pack, no gains are known"


def page_facts(model: Model) -> dict[str, Any]:
    """Everything that the page tells, as JSON would have it."""
    from models.packs import anatomy_of
    from models.registry import read_folder

    manifest = model.manifest
    packs = {
        role: anatomy_of(model.folder / manifest.packs[role].file, scorer, manifest.features)
        for role, scorer in model.scorers.items()
    }
    pictures = {role: {"measure": VARIANCE, "shares": pack.variance_shares} for role, pack in packs.items()}
    if manifest.importance and packs:  # gains are kept of the first pack
        pictures[next(iter(packs))] = {"measure": GAIN, "shares": manifest.importance}
    return {
        "folder": str(model.folder.absolute()),
        "card": card.read_text() if (card := model.folder / "card.md").exists() else "card.md is missing.",
        "manifest": manifest.model_dump(mode="json"),
        "signed_by": read_folder(model.folder).signers,
        "packs": {role: pack.model_dump(exclude={"variance_shares"}) for role, pack in packs.items()},
        "importance": pictures,
    }


def tell_page(model: Model, workers: Sequence[WorkerStatus]) -> None:
    """Prints the page, as wide as the terminal."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PIPE_WIDTH)
    facts = page_facts(model)
    card = facts["card"].rstrip()
    if model.manifest.importance:  # told by the picture below
        card = re.sub(r"\n## Features.*?(?=\n## |\Z)", "", card, flags=re.DOTALL)
    console.print(Markdown(card) if console.is_terminal else Text(card), soft_wrap=not console.is_terminal)
    for role, pack in facts["packs"].items():
        console.print(Text(f"\nInside {role}.pack", style="bold"))
        console.print(_inside(pack))
    for role, picture in facts["importance"].items():
        console.print(Text(f"\nImportance in {role}.pack", style="bold"))
        console.print(Text(picture["measure"], style="dim"))
        console.print(_picture(picture["shares"], console.width))
    tell_status(console, model.manifest.name, workers)
    console.print(Text(f"\nSigned by: {', '.join(facts['signed_by']) or 'nobody'}"), soft_wrap=True)
    console.print(Text(f"Folder: {facts['folder']}"), soft_wrap=True)


def _inside(pack: Mapping[str, Any]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    groups = ", ".join(f"{group} {size:,}" for group, size in pack["bytes_of"].items() if size)
    outputs = f"{pack['outputs']} outputs" if pack["outputs"] > 1 else "one output"
    for key, value in (
        ("trees", f"{pack['trees']:,} with {pack['leaves']:,} leaves; the largest has {pack['largest_tree']:,}"),
        ("depth", f"up to {pack['depth']} splits"),
        ("features", f"{pack['features_asked']:,} of {pack['features']:,} are asked"),
        ("cuts", f"{pack['cuts']:,}, a row becomes {pack['columns']:,} bytes"),
        ("category sets", f"{pack['category_sets']:,}"),
        ("link", f"{pack['link']}, {outputs}"),
        ("bytes", f"{pack['bytes']:,}: {groups}"),
        ("SHA-256", pack["sha256"]),
        ("evaluated here", f"by {pack['evaluator']}, in blocks from {pack['crossover']:,} rows on"),
    ):
        table.add_row(key, Text(value))
    return table


def _picture(shares: Mapping[str, float], width: int) -> Table:
    """The largest shares as bars, the longest as wide as there is room."""
    ranked = sorted(
        ((share, name) for name, share in shares.items() if share > 0), key=lambda pair: (-pair[0], pair[1])
    )
    shown, rest = ranked[:SHOWN_FEATURES], ranked[SHOWN_FEATURES:]
    largest = shown[0][0] if shown else 1.0
    names = max((len(name) for _, name in shown), default=0)
    room = max(NARROWEST_BAR, min(WIDEST_BAR, width - names - len("100.0 %") - 4))
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, overflow="ellipsis", max_width=max(8, width - room - 11))
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    for share, name in shown:
        table.add_row(Text(name), f"{share:.1%}", Bar(largest, 0, share, width=room, color="cyan"))
    if rest:
        table.add_row(Text(f"{len(rest)} more", style="dim"), f"{sum(share for share, _ in rest):.1%}", "")
    unused = len(shares) - len(ranked)
    if unused:
        table.add_row(Text(f"{unused} unused", style="dim"), "0.0%", "")
    return table
