"""The challenger of the recommender: it ranks the candidates that the champion ranked, and nothing of it is emitted.

champion's Rankings ─► the challenger's scores of the same candidates ─► Tally, and whose list held the next click
"""

from __future__ import annotations

from collections import OrderedDict

import numpy as np

from models.recommender.queries import Queries
from models.recommender.recommender import Rankings, Recommender
from models.tally import Tally

SESSIONS = 10_000  # whose last lists are remembered


class RankChallenger:
    """The challenger of the recommender: it ranks the same candidates."""

    def __init__(self, name: str, champion: str, challenger: Recommender, version: str) -> None:
        self.model = challenger
        self.tally = Tally(name, champion, version)
        self._lists: OrderedDict[int, tuple[frozenset[int], frozenset[int]]] = OrderedDict()

    def compare(self, queries: Queries, ranked: Rankings) -> None:
        """Rank the candidates of the champion, before it ranks others."""
        found, scores, places = ranked.scored
        with self.tally.timed():
            own = self.model.scores_of(found)
            own_places, _ = self.model.best(found, own)
            shown = places[places >= 0]
            self.tally.add(scores[shown], own[shown])
            sessions = queries.sessions.tolist()
            clicked = queries.prefixes[np.arange(len(sessions)), queries.lengths - 1].tolist()
            for query, session in enumerate(sessions):
                both = [frozenset(found.keys[p[p >= 0]].tolist()) for p in (places[query], own_places[query])]
                self._note(session, clicked[query], (both[0], both[1]))

    def _note(self, session: int, clicked: int, lists: tuple[frozenset[int], frozenset[int]]) -> None:
        before = self._lists.pop(session, None)
        if before is not None:
            self.tally.next_clicks += 1
            self.tally.champion_hits += clicked in before[0]
            self.tally.challenger_hits += clicked in before[1]
        self._lists[session] = lists
        if len(self._lists) > SESSIONS:
            self._lists.popitem(last=False)
        if lists[0]:
            self.tally.queries += 1
            self.tally.agreeing += len(lists[0] & lists[1]) / len(lists[0])
