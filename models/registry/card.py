"""Card: what a person should know of a model, made from its manifest."""

from __future__ import annotations

import re
from collections.abc import Iterable

from schemas import Manifest, rfc3339

SHOWN_FEATURES = 20
# measures that are parts of a whole: questions with a hit, lives with an alert, failures found, intervals that held
SHARES = re.compile(r"(^|_)(hr_\d+|recall|coverage|found|alerted)(_before)?$")
KINDS = {
    "recommender": "ranks the candidates for a user; a higher score comes first",
    "rul": "tells the remaining useful life of an asset",
    "failure_probability": "tells how likely a component fails within the horizon",
}


def model_card(manifest: Manifest, text: str = "") -> str:
    """The card in Markdown.

    Args:
        manifest: of the version; the first 20 features of its `importance` are shown.
        text: what the trainer adds, Markdown.
    """
    training = manifest.training
    ranked = sorted(manifest.importance.items(), key=lambda entry: (-entry[1], entry[0]))[:SHOWN_FEATURES]
    sections = [
        f"# {manifest.name} {manifest.version}",
        f"A model that {KINDS[manifest.kind]}. Written {rfc3339(manifest.created_at)}.",
        text.strip(),
        "## Learned from",
        f"{training.events:,} events from {rfc3339(training.first_event)} to {rfc3339(training.last_event)}, "
        f"{training.rows:,} rows, in {training.seconds:,.1f} s.",
        "## Measured on held-out events",
        _table(("metric", "value"), [(name, metric_text(name, value)) for name, value in manifest.metrics.items()]),
        "## Forests",
        _table(
            ("role", "trees", "features", "bytes", "SHA-256"),
            [
                (role, str(pack.trees), str(pack.features), f"{pack.bytes:,}", f"`{pack.sha256[:16]}`")
                for role, pack in manifest.packs.items()
            ],
        ),
        f"## Features ({len(manifest.features)})",
        _table(("feature", "share of the gain"), [(name, f"{share:.1%}") for name, share in ranked])
        if ranked
        else ", ".join(f"`{name}`" for name in manifest.features),
        "## Written with",
        ", ".join(f"{library} {version}" for library, version in manifest.libraries.items()) or "unknown",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def metric_text(name: str, value: float, digits: int = 6) -> str:
    """A measure for people: shares as such."""
    return f"{value:.1%}" if SHARES.search(name) else f"{value:.{digits}g}"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    escaped = ([cell.replace("|", "\\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in escaped)
