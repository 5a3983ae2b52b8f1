"""Held-out rows: what a model did not learn from, kept as a Parquet file so that changes of the model can be judged.

trainer ─► HeldOut ─► write_held_out ─► rows.parquet ─► read_held_out ─► HeldOut ─► parts: to teach, choose and tell

Columns: one for each feature, named as in the manifest; `label` (of a failure model `label-<component>` for each
component): clicked next (0, 1), remaining life in units, or fails within the horizon (0, 1); `group`: number of the
query or asset; and for a remaining life with an interval `value`, what the model said after its filter. Rows without
a label are not judged: they show what rows are like, and may be those that the model learned from.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow
import pyarrow.parquet

from models.arrays import Floats, Ints
from schemas import Manifest, ModelError

LABEL, GROUP, VALUE = "label", "group", "value"
LEAST_ROWS, LEAST_GROUPS = 200, 4
TEACHING_ROWS = 30_000
HOW_TO = "`millrace train ... --held-out FILE` writes such rows while it trains; docs/train.md describes the columns."


@dataclass(frozen=True)
class HeldOut:
    """n rows; those of a group (a query, an asset) belong together and are neighbours."""

    rows: npt.NDArray[np.float32]  # (n, features)
    labels: dict[str, Floats]  # column -> (n,)
    group: Ints  # (n,)
    value: Floats | None = None  # (n,)

    def only(self, chosen: np.ndarray) -> HeldOut:
        """The rows of a mask (n,)."""
        labels = {name: label[chosen] for name, label in self.labels.items()}
        value = None if self.value is None else self.value[chosen]
        return HeldOut(self.rows[chosen], labels, self.group[chosen], value)

    @property
    def is_labelled(self) -> npt.NDArray[np.bool_]:
        """(n,) all labels are known."""
        return np.asarray(np.all([np.isfinite(label) for label in self.labels.values()], axis=0))

    def parts(self, seed: int = 0) -> tuple[HeldOut, HeldOut, HeldOut]:
        """Rows to teach (those without labels, else of a part of the groups), to choose by, and to tell the loss of.

        Groups are drawn at random and stay whole; those to choose by and to tell are as many.
        """
        random, is_labelled = np.random.default_rng(seed), self.is_labelled
        groups = random.permutation(np.unique(self.group[is_labelled]))
        others = random.permutation(np.unique(self.group[~is_labelled]))
        if np.sum(~is_labelled) >= LEAST_ROWS:
            share = min(1.0, TEACHING_ROWS / float(np.sum(~is_labelled)))
            teaching = ~is_labelled & np.isin(self.group, others[: max(1, round(share * len(others)))])
        else:
            share = min(1 / 3, TEACHING_ROWS / float(np.sum(is_labelled)))
            count = max(1, round(share * len(groups)))
            teaching, groups = is_labelled & np.isin(self.group, groups[:count]), groups[count:]
        middle = len(groups) // 2
        choosing, telling = (is_labelled & np.isin(self.group, some) for some in (groups[:middle], groups[middle:]))
        return self.only(teaching), self.only(choosing), self.only(telling)


def label_of(role: str) -> str:
    """The label column of a forest: `score-bearing` is judged by `label-bearing`, any other by `label`."""
    return LABEL + role.removeprefix("score") if role.startswith("score-") else LABEL


def write_held_out(path: Path, names: list[str], held_out: HeldOut) -> None:
    """Writes the rows, features under their names.

    Raises:
        ModelError: the file cannot be written, or a feature has the name of another column.
    """
    columns: dict[str, np.ndarray] = dict(zip(names, held_out.rows.T, strict=True))
    others = {**held_out.labels, GROUP: held_out.group} | ({} if held_out.value is None else {VALUE: held_out.value})
    if taken := columns.keys() & others.keys():
        raise ModelError(
            f"The held-out rows were not written: a feature has the name {min(taken)!r}, which means something else.",
            "Rename the sensor or constant.",
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pyarrow.parquet.write_table(pyarrow.table(columns | others), path, compression="zstd")
    except OSError as error:
        raise ModelError(f"The held-out rows cannot be written to {path}: {error}.", "Name another file.") from error


def read_held_out(path: Path, manifest: Manifest) -> HeldOut:
    """The rows for a model, sorted by group.

    Raises:
        ModelError: no Parquet file, a column that is missing or not numeric, or too few rows or groups with labels.
    """
    labels = sorted({label_of(role) for role in manifest.packs})
    needs_value = "low" in manifest.packs
    others = [*labels, GROUP, *([VALUE] if needs_value else [])]
    table = _read(path, [*manifest.features, *others], f"{manifest.name} {manifest.version}")
    columns = {name: _numbers(path, table, name, may_miss=name in labels) for name in others}
    group = columns[GROUP].astype(np.int64)
    is_labelled = np.all([np.isfinite(columns[name]) for name in labels], axis=0)
    rows, groups = int(is_labelled.sum()), len(np.unique(group[is_labelled]))
    if rows < LEAST_ROWS or groups < LEAST_GROUPS:
        raise ModelError(
            f"{path} has {rows} rows with a label, of {groups} groups; at least {LEAST_ROWS} rows of {LEAST_GROUPS} "
            "queries or assets are needed to judge a model.",
            HOW_TO,
        )
    order = np.argsort(group, kind="stable")
    features = np.empty((len(order), len(manifest.features)), np.float32)
    for place, name in enumerate(manifest.features):
        features[:, place] = _numbers(path, table, name, may_miss=True)[order]
    value = columns[VALUE][order] if needs_value else None
    return HeldOut(features, {name: columns[name][order] for name in labels}, group[order], value)


def _read(path: Path, names: list[str], model: str) -> pyarrow.Table:
    try:
        known = pyarrow.parquet.read_schema(path).names
        missing = [name for name in names if name not in known]
        if missing:
            raise ModelError(
                f"{path} lacks {len(missing)} columns that {model} needs: {', '.join(missing[:5])}"
                f"{', ...' if len(missing) > 5 else ''}.",
                HOW_TO,
            )
        return pyarrow.parquet.read_table(path, columns=names)
    except (OSError, pyarrow.ArrowException) as error:
        raise ModelError(f"{path} cannot be read as Parquet: {error}.", HOW_TO) from error


def _numbers(path: Path, table: pyarrow.Table, name: str, may_miss: bool = False) -> npt.NDArray[np.float64]:
    kind = table.schema.field(name).type
    types = pyarrow.types
    if not (types.is_floating(kind) or types.is_integer(kind) or types.is_boolean(kind)):
        raise ModelError(f"Column {name} of {path} holds {kind}, not numbers.", HOW_TO)
    numbers = np.asarray(table[name].to_numpy(), np.float64)  # a null becomes NaN
    if not may_miss and not np.all(np.isfinite(numbers)):
        raise ModelError(f"Column {name} of {path} has values that are missing or infinite.", HOW_TO)
    return numbers
