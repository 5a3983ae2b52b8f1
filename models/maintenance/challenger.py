"""The challenger of an asset class: it scores what the champion scores, and nothing of it is emitted.

champion's Decisions ─► the challenger's scores of the same rows, or of rows of its own ─► Tally
"""

from __future__ import annotations

from zlib import crc32

import numpy as np
import numpy.typing as npt

from models.maintenance.model import AssetModel, Decisions
from models.maintenance.observe import EventBatch
from models.tally import Tally


class AssetChallenger:
    """The challenger of an asset class. With the champion's preparation it scores the champion's feature rows;
    otherwise it keeps rows of its own.

    Args:
        salt: changes with each time that it became the challenger: rows of an earlier time are not its own.
    """

    def __init__(self, champion: AssetModel, challenger: AssetModel, salt: int) -> None:
        self.model = challenger
        self.layout = crc32(f"{challenger.layout}/{salt}".encode())
        self.has_own_rows = challenger.layout != champion.layout or challenger.asset_class != champion.asset_class
        reference = champion.reference
        self.tally = Tally(reference.name, reference.version, challenger.reference.version)

    def compare(self, decisions: Decisions) -> None:
        """Score the feature rows of the champion."""
        with self.tally.timed():
            scored = np.flatnonzero(decisions.status == 0)
            if len(scored):
                raw = self.model.raw_scores(decisions.features[scored])
                self.tally.add(decisions.raw[scored].ravel(), raw.ravel())

    def follow(
        self, decisions: Decisions, rows: npt.NDArray[np.void], slots: npt.NDArray[np.int64], batch: EventBatch
    ) -> None:
        """Apply the events to the challenger's own rows."""
        with self.tally.timed():
            own = self.model.step(rows, slots, batch)
            both = np.flatnonzero((decisions.status == 0) & (own.status == 0))
            if len(both) and own.raw.shape == decisions.raw.shape:
                self.tally.add(decisions.raw[both].ravel(), own.raw[both].ravel())
