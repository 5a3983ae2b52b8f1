"""Train a recommender: replay the log through the code that serves, learn from what it showed, keep what is better.

events ─► ClickLog ─► replay with sampled questions ─► LambdaMART ─► compare on the held-out ones ─► model folder

The questions are from the last part of the log, the latest of them held out. The forest serves if it ranks those
better than the hand-weighted list; otherwise, or with too few clicks, the manifest says `blend`. LambdaMART: Burges,
From RankNet to LambdaRank to LambdaMART, 2010.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import lightgbm
import numpy as np
import numpy.typing as npt

from models.compiler import compile_forest, gain_shares
from models.held_out import write_held_out
from models.progress import CountProgress
from models.recommender import STRATEGIES, CatalogueView, Queries, Recommender, action_weights, feature_names
from models.recommender.training.click_log import ClickLog, LogReader, replay
from models.recommender.training.query_log import HeldOutQueries, QueryLog, fit, reciprocal
from models.registry import ModelStore
from schemas import Click, Item, Manifest, ModelError, RecommenderProfile, Training

RANKER, BLEND = STRATEGIES[0], STRATEGIES[1]
LEAST_QUERIES = 200  # with fewer there is no forest


@dataclass(frozen=True)
class Sampling:
    """How much of the log is learned from."""

    queries: int = 80_000  # at most, the held-out ones among them
    share: float = 0.25  # of the clicks, the last ones: before, the view must have something to tell
    least_clicks: int = 20_000  # but no fewer, if there are so many
    held_out: float = 0.07  # of the queries, the last ones
    negatives: float = 0.28  # kept, uniformly: thinning by score biases the forest
    trees: int = 140
    seed: int = 0


@dataclass(frozen=True)
class LearnedRanker:
    """What came out of the log."""

    booster: lightgbm.Booster | None
    strategy: str
    metrics: dict[str, float]
    check_rows: npt.NDArray[np.float32]
    rows: int
    comparison: HeldOutQueries  # the held-out questions, which the metrics are of


def train(
    events: Iterable[Sequence[Click | Item]],
    profile: RecommenderProfile,
    store: ModelStore,
    name: str = "recommender",
    sampling: Sampling | None = None,
    progress: CountProgress = lambda *_: None,
    held_out: Path | None = None,
) -> Manifest:
    """Train on a log of events and save a version of the model. Nothing serves it until it is promoted.

    Args:
        events: batches in order of arrival; clicks of all users, and item changes if there are any.
        progress: called with the stage, how far it is and out of how many (None: not known).
        held_out: where the rows of the held-out questions are written, for `millrace models optimise`.

    Raises:
        ModelError: there are no clicks, the forest cannot be compiled, or the held-out rows cannot be written.
    """
    begun = time.monotonic()
    log = LogReader(profile).read(events, progress)
    if len(log) == 0:
        raise ModelError("The log has no click; nothing was trained.", "Check the file or topic and its event times.")
    learned = learn(log, profile, sampling or Sampling(), progress)
    manifest = _manifest(log, profile, learned, name, store.new_version(name), time.monotonic() - begun)
    packs = {"score": compile_forest(learned.booster, name, learned.check_rows)} if learned.booster else {}
    shares = gain_shares(learned.booster, manifest.features) if learned.booster else {}
    if held_out is not None:
        write_held_out(held_out, manifest.features, learned.comparison.rows())
    folder = store.save(manifest, packs, _card(manifest), shares)
    return store.verify(name, folder.name).manifest


def _manifest(
    log: ClickLog, profile: RecommenderProfile, learned: LearnedRanker, name: str, new_version: str, seconds: float
) -> Manifest:
    return Manifest(
        name=name,
        version=new_version,
        kind="recommender",
        created_at=datetime.now(UTC),
        features=feature_names(profile),
        packs={},
        profile=profile,
        learned={"strategy": learned.strategy, "context_types": dict(log.context_types)},
        training=Training(
            first_event=datetime.fromtimestamp(float(log.columns.times.min()), UTC),
            last_event=datetime.fromtimestamp(float(log.columns.times.max()), UTC),
            events=len(log) + log.duplicates,
            rows=learned.rows,
            seconds=round(seconds, 1),
        ),
        metrics=learned.metrics,
        libraries={library: version(library) for library in ("lightgbm", "numpy", "treelite")},
    )


def learn(log: ClickLog, profile: RecommenderProfile, sampling: Sampling, progress: CountProgress) -> LearnedRanker:
    """Replay the log with sampled questions, fit a forest on the earlier ones, compare on the later ones."""
    targets, actions = log.targets(), log.target_actions()
    which = sample(log, targets, sampling)
    held_out = int(len(which) * (1 - sampling.held_out))
    view, recommender = CatalogueView(profile), Recommender(None, profile)
    logged, comparison = QueryLog(sampling.negatives, sampling.seed), HeldOutQueries(recommender)

    def ask(place: int, query: Queries) -> None:
        found, target = recommender.candidates(view, query), targets[which[place]][None]
        if place < held_out:
            logged.add(found, target, actions[which[place]][None])
        else:
            comparison.add(found, target)
        if place % 1000 == 0:
            progress("replaying the log", place, len(which))

    replay(log, view, which, ask)
    progress("fitting the forest", 0, None)
    booster, rows, check = None, 0, np.zeros((0, len(recommender.features)), np.float32)
    if logged.queries >= LEAST_QUERIES and len(comparison):
        matrix, labels, counts = logged.arrays()
        rows, check = len(matrix), matrix[-2000:].copy()
        booster = fit(matrix, labels, counts, recommender.features, sampling.trees, action_weights(profile))
    progress("comparing", 0, None)
    strategy, metrics = compare(comparison, booster)
    return LearnedRanker(booster, strategy, metrics | {"queries": float(logged.queries)}, check, rows, comparison)


def compare(comparison: HeldOutQueries, booster: lightgbm.Booster | None) -> tuple[str, dict[str, float]]:
    """The strategy that serves, and the figures of both on the held-out questions.

    The ranker must have the higher MRR@20 by more than one standard error of the paired difference, and no lower HR@20.
    """
    if not len(comparison):
        return BLEND, {"held_out_queries": 0.0}
    by_hand = comparison.places(None)
    metrics = {
        "held_out_queries": float(len(by_hand)),
        "candidate_recall": comparison.recall(),
        "blend_hr_20": float((by_hand > 0).mean()),
        "blend_mrr_20": float(reciprocal(by_hand).mean()),
    }
    if booster is None:
        return BLEND, metrics
    ranked = comparison.places(booster)
    metrics |= {"hr_20": float((ranked > 0).mean()), "mrr_20": float(reciprocal(ranked).mean())}
    gain = reciprocal(ranked) - reciprocal(by_hand)
    error = gain.std() / np.sqrt(len(gain))
    is_better = gain.mean() > error and metrics["hr_20"] >= metrics["blend_hr_20"]
    return RANKER if is_better else BLEND, metrics


def _card(manifest: Manifest) -> str:
    metrics, strategy = manifest.metrics, manifest.learned["strategy"]
    if strategy == RANKER:
        return (
            "The forest serves: on the held-out questions it ranked the next click higher than the list made by hand."
        )
    if "hr_20" not in metrics:
        few = f"There were {metrics['queries']:.0f} questions to learn from, fewer than {LEAST_QUERIES}."
        return f"There is no forest, the list made by hand serves. {few}"
    return "The list made by hand serves: on the held-out questions the forest was not clearly better."


def sample(log: ClickLog, targets: npt.NDArray[np.uint64], sampling: Sampling) -> npt.NDArray[np.int64]:
    """Clicks that are asked about, rising: those with a next click, evenly from the last part of the log."""
    count = min(len(log) * 3 // 4, max(int(len(log) * sampling.share), sampling.least_clicks))
    cases = np.flatnonzero(targets[len(log) - count :]) + len(log) - count
    if len(cases) <= sampling.queries:
        return cases
    return cases[np.linspace(0, len(cases) - 1, sampling.queries).astype(np.int64)]
