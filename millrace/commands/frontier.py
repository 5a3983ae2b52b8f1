"""The picture of `millrace models optimise`: what smaller forests lose against what they cost, as SVG.

Found of each forest ─► one panel each ─► draw ─► frontier.svg
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models.shrink import Found
from schemas import ModelError

PANEL = 5.0, 4.0  # inches
TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


def draw(found: Sequence[Found], allowed: float, title: str, path: Path) -> None:
    """Writes the picture.

    Args:
        allowed: loss as a share of the metric.

    Raises:
        ModelError: the file cannot be written.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "millrace", "svg.fonttype": "none"}):
        figure = Figure((PANEL[0] * len(found), PANEL[1]), layout="constrained")
        figure.suptitle(title)
        for axes, one in zip(figure.subplots(1, len(found), squeeze=False)[0], found, strict=True):
            _panel(axes, one, allowed)
        try:
            figure.savefig(path, format="svg", metadata={"Date": None})
        except OSError as error:
            raise ModelError(f"The picture cannot be written to {path}: {error}.", "Name another file.") from error


def _panel(axes: Any, found: Found, allowed: float) -> None:
    costs = [variant.cost for variant in found.frontier]
    chosen_on, told = ([100 * one.loss for one in losses] for losses in (found.frontier, found.told))
    axes.axhline(100 * allowed, color="0.5", linewidth=1, linestyle="--", label=f"allowed: {allowed:.2%}")
    axes.plot(costs, chosen_on, color="C0", marker="o", label="loss on the rows to choose by")
    errors = [100 * one.error for one in found.told]
    axes.errorbar(costs, told, errors, color="C1", marker="s", capsize=2, linestyle=":", label="loss on the other rows")
    if found.chosen is not None:
        place = found.frontier.index(found.chosen)
        axes.plot(costs[place], told[place], "o", markersize=16, fillstyle="none", color="C3", label="chosen")
    axes.set_xscale("log")
    axes.set_xticks(TICKS, [f"{tick:g}" for tick in TICKS])
    axes.minorticks_off()
    axes.set_xlim(min(costs) / 1.2, 1.2)
    axes.set_title(f"{found.role}: {found.metric}")
    axes.set_xlabel("bytes × time a row, of the original's")
    axes.set_ylabel("loss, % of the metric")
    axes.legend(fontsize="small")
