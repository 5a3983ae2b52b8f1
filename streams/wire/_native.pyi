import numpy as np

Spellings = tuple[bytes, ...]  # of one name as it stands in JSON, the plain one first

class Reader:
    """Of the readings of some asset classes: (name, columns), each column a name with its spellings."""

    def __new__(cls, classes: tuple[tuple[bytes, tuple[Spellings, ...]], ...], /) -> Reader: ...
    def read(
        self,
        values: list[bytes | None],
        keys: list[bytes | None],
        most_bytes: int,
        heads: np.ndarray,
        table: np.ndarray,
        /,
    ) -> list[bytes | None]: ...

class ScoreWriter:
    """Causes are (prefix of ids, JSON between asset_id and offset), targets (suffix of ids, JSON between event_id and
    value, between high and health)."""

    def __new__(
        cls,
        causes: tuple[tuple[bytes, bytes], ...],
        targets: tuple[tuple[bytes, bytes, bytes], ...],
        sensors: tuple[bytes, ...],
        faults: tuple[bytes, ...],
        qualities: tuple[bytes, ...],
        /,
    ) -> ScoreWriter: ...
    def write(
        self,
        keys: list[bytes],
        ids: list[bytes],
        traceparents: list[bytes | None] | None,
        scored: np.ndarray,
        faults: np.ndarray,
        numbers: bytes,
        most: int,
        limit: int,
        /,
    ) -> list[tuple[bytearray, int]]: ...

def partitions(keys: list[bytes | None], count: int, /) -> list[int]: ...
def write_recommendations(
    texts: tuple[bytes, bytes, bytes, bytes],  # prefix of ids; JSON before offset, strategy and items
    keys: list[bytes],
    ids: list[bytes],
    strategies: list[str],
    traceparents: list[bytes | None] | None,
    ranked: np.ndarray,
    names: list[str],
    numbers: bytes,
    most: int,
    limit: int,
    /,
) -> list[tuple[bytearray, int]]: ...
