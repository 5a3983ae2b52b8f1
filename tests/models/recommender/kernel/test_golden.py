"""The kernels do what the ones before did, which numba compiled, bit for bit where the machine's `exp` is the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.models.recommender.kernel.lives import life

GOLDEN = Path(__file__).with_name("golden.npz")


@pytest.mark.parametrize("profile", ["shop", "portal"])
def test_all_arrays_are_as_they_were(profile: str) -> None:
    found = life(profile)
    with np.load(GOLDEN) as golden:
        assert {name for name in golden if name.startswith(profile)} == {f"{profile}_{name}" for name in found}
        for name, array in found.items():
            before = golden[f"{profile}_{name}"]
            if array.dtype.kind == "f":
                np.testing.assert_allclose(array, before, rtol=1e-6, err_msg=name)
            else:
                assert array.tolist() == before.tolist(), name
    assert found["counts"].sum() > 60
