"""Progress: how long work tells whoever waits for it how far it is."""

from __future__ import annotations

from collections.abc import Callable

CountProgress = Callable[[str, int, int | None], None]  # what is being done, how many are done, of how many
ShareProgress = Callable[[str, float], None]  # what is being done, share of the whole work that is done, 0 to 1
