from collections.abc import Sequence
from typing import Any

import numpy as np

Arrays = tuple[Any, ...]

CONSTANTS: list[tuple[str, float]]  # numbers that Python declares too
STRUCTS: list[tuple[str, str, int, int]]  # struct, field, offset, bytes
ROW_FIELDS: list[str]

class Observer:
    def __new__(
        cls,
        fields: np.ndarray,
        row_bytes: int,
        widths: tuple[int, int, int],
        codes: tuple[int, int],
        flags: tuple[int, int, int],
        fall_limit: float,
        unit_s: float,
        learned: Arrays,
        /,
    ) -> Observer: ...
    def observe(self, rows: np.ndarray, slots: np.ndarray, batch: Arrays, seen: Arrays, /) -> None: ...
    def trace(self, row: np.ndarray, time_s: float, arrays: Arrays, /) -> tuple[int, float]: ...

class Decider:
    def __new__(
        cls,
        fields: np.ndarray,
        row_bytes: int,
        numbers: tuple[float, float, float, float, float, float],
        codes: tuple[int, int],
        levels: Arrays,
        /,
    ) -> Decider: ...
    def decide(
        self, rows: np.ndarray, slots: np.ndarray, batch: Arrays, seen: Arrays, scores: Arrays, written: np.ndarray, /
    ) -> int: ...

def watch(
    rows: np.ndarray,
    slots: np.ndarray,
    given: Arrays,
    widths: tuple[int, int],
    whole: int,
    patience: tuple[float, float],
    written: np.ndarray,
    /,
) -> int: ...
def interval_ends(arrays: Arrays, bins: Arrays, cap: float, /) -> None: ...
def fall_course(arrays: Arrays, limit: float, /) -> None: ...
def course_of_sensors(learned: Sequence[Any], given: Arrays, found: Arrays, /) -> None: ...
def channel_course(arrays: Arrays, /) -> None: ...
