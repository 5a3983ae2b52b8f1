"""Preparation: what an asset class learned about its readings before any forest; JSON in the manifest, arrays in use.

JSON of the manifest ─► Preparation: regimes, normalisation, channels (health indexes, or sensors) ─► the kernels
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from models.arrays import Floats, Ints
from models.maintenance import kernel
from models.maintenance.regimes import Regimes
from models.maintenance.sensors import DOUBT_RUN, Checked, with_doubt_of_before

DIRECTIONS = 3  # health indexes of wear; two more aim at the remaining life
NORMAL_SD = 1.64  # either side, where a model of before does not say what is normal
CLIP = 8.0  # sd; a wilder reading counts as this much


@dataclass(frozen=True)
class Preparation:
    """V regime variables, R regimes, S sensors, K channels.

    A channel is weights[r] @ z + bias[r] of the normalised readings z = (reading - mean[r]) / sd[r]. `fall_channel`
    is the one whose fall means that the asset was renewed and nobody said so (-1: none), `fall_limit` how much.
    """

    centre: Floats  # (V,)
    scale: Floats  # (V,)
    centroids: Floats  # (R, V)
    sensors: Ints  # (S,) places among the sensors of the class
    mean: Floats  # (R, S)
    sd: Floats  # (R, S); 0: tells nothing in this regime
    weights: Floats  # (R, K, S)
    bias: Floats  # (R, K)
    trust: Floats  # (R, K)
    expected_offset: Floats  # (R, S)
    expected_load: Floats  # (R, S, K)
    noise: Floats  # (R, S) sd of z about what is expected at the levels of the channels
    fall_channel: int = -1
    fall_limit: float = np.inf
    check: Checked | None = None  # of the sensors; models of a version before have none
    normal: Floats | None = None  # (2, R, S) what is normal of a reading: from, to; models of before have none
    reach: Floats | None = None  # (R,) of the regimes, scaled; models of before have none

    @property
    def channels(self) -> int:
        return int(self.weights.shape[1])

    @property
    def regimes(self) -> Regimes:
        return Regimes(self.centre, self.scale, self.centroids, self.reach)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers; floats survive JSON bit for bit. An infinite limit is null."""
        found = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in asdict(self).items()}
        found["fall_limit"] = self.fall_limit if np.isfinite(self.fall_limit) else None
        found["check"] = _plain(self.check) if self.check else None
        for name in ("check", "normal", "reach"):
            if found[name] is None:
                del found[name]  # as the version before wrote it: rows are known by what was learned
        return found

    @classmethod
    def from_json(cls, given: dict[str, Any]) -> Preparation:
        values: dict[str, Any] = {}
        for item in fields(cls):
            if item.name == "check" or (item.name in ("normal", "reach") and item.name not in given):
                continue
            value = given[item.name]
            if isinstance(value, list):
                value = np.array(value, np.int64 if item.name == "sensors" else np.float64)
            values[item.name] = value
        regimes, sensors = np.shape(values["mean"])
        values["centroids"] = values["centroids"].reshape(regimes, -1)
        limit, check = values["fall_limit"], given.get("check")
        if check is not None:
            values["check"] = _check_of(check)
        found = cls(**values | {"fall_limit": np.inf if limit is None else float(limit)})
        assert found.weights.shape[2] == sensors
        return found

    def normal_range(self, regime: int) -> tuple[Floats, Floats]:
        """What is normal of the readings in a regime: from and to, (S,) each."""
        if self.normal is not None:
            return self.normal[0, regime], self.normal[1, regime]
        return self.mean[regime] - NORMAL_SD * self.sd[regime], self.mean[regime] + NORMAL_SD * self.sd[regime]

    def normalised(self, readings: Floats, regimes: Ints) -> Floats:
        """(n, S) from the readings (n, sensors of the class), clipped; for fitting."""
        sd = self.sd[regimes]
        z = (readings[:, self.sensors] - self.mean[regimes]) / np.maximum(sd, 1e-9)
        return np.asarray(np.clip(np.where(sd < 1e-9, 0.0, z), -CLIP, CLIP))


def _plain(check: Checked) -> dict[str, Any]:
    """Of a model of before, as it was written: its doubt was not learned, and an infinite one is no JSON."""
    learned = check.sensor if np.isfinite(check.sensor[DOUBT_RUN]).all() else check.sensor[:DOUBT_RUN]
    return {name: part.tolist() for name, part in check._replace(sensor=learned)._asdict().items()}


def _check_of(given: dict[str, Any]) -> Checked:
    found = Checked(*(np.array(given[name], np.float64) for name in Checked._fields))
    return found._replace(sensor=with_doubt_of_before(found.sensor)) if len(found.sensor) == DOUBT_RUN else found


def fall_course(is_first: np.ndarray, value: Floats, trust: Floats, limit: float = np.inf) -> Floats:
    """The cusum of the renewal rule (kernel/channels.c) along past lives (n,); by default without renewals, for
    learning its limit."""
    found = np.empty(len(value))
    kernel.fall_course((is_first, np.ascontiguousarray(value), trust, found), limit)
    return found


def unprepared(variables: int, sensors: int, channels: int) -> Preparation:
    """For reading a log before anything is learned: channels that are always 0."""
    one, none = np.zeros((1, sensors)), np.zeros((1, channels))
    return Preparation(
        centre=np.zeros(variables), scale=np.ones(variables), centroids=np.zeros((1, variables)),
        sensors=np.arange(sensors), mean=one, sd=one, weights=np.zeros((1, channels, sensors)), bias=none,
        trust=none, expected_offset=one, expected_load=np.zeros((1, sensors, channels)), noise=one,
    )  # fmt: skip
