"""The kernels give what those before gave, which numba compiled from Python: recorded on made-up classes and events.

One asset of `life` was recorded anew: it is replaced while it is out of service, by entries that come out of order.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.models.maintenance.kernel import golden

RECORDED = np.load(Path(__file__).with_name("golden.npz"))


@pytest.mark.parametrize("given", [golden.life, golden.parts])
def test_they_give_what_those_before_gave(given: Callable[[], golden.Given]) -> None:
    found = golden.made(given())
    recorded = {name.partition(".")[2]: RECORDED[name] for name in RECORDED.files if name.startswith(given.__name__)}
    assert set(found) == set(recorded)
    for name, values in found.items():
        before = recorded[name]
        assert values.shape == before.shape, name
        if values.dtype.kind != "f":
            np.testing.assert_array_equal(values, before, err_msg=name)
        else:  # libm of another machine
            tolerance = 1e-5 if values.dtype == np.float32 else 1e-9
            np.testing.assert_allclose(values, before, rtol=tolerance, atol=tolerance, err_msg=name)


def test_what_was_recorded_has_all_that_can_befall_an_asset() -> None:
    seen = {name: np.concatenate([RECORDED[f"{one}.{name}"].ravel() for one in ("life", "parts")]) for name in SHARED}
    assert set(seen["status"]) == {0, 1, 2, 3, 4, 5, 7}
    assert set(seen["role"]) == {0, 1, 2, 3}
    assert set(seen["hold"]) == {0, 1, 2, 4}
    assert set(seen["faults"]) == {0, 1, 2, 4, 5, 6, 7}
    assert {0, 1, 3, 4, 5, 6, 7, 8} <= set(seen["transitions.reason"])
    assert {0, 1, 2} <= set(seen["data.state"])
    for name in ("is_set_back", "is_bridged", "is_excused", "is_renewed", "is_suppressed"):
        assert seen[name].any(), name


SHARED = (
    "status", "role", "hold", "faults", "transitions.reason", "data.state", "is_set_back", "is_bridged", "is_excused",
    "is_renewed", "is_suppressed",
)  # fmt: skip
