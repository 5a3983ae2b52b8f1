"""Each fault on a running site: nothing is lost, doubled or contradicted, and decisions flow again."""

from __future__ import annotations

import pytest

from tests.faults.conftest import cases
from tests.faults.every import FAULTS
from tests.faults.fault import Fault
from tests.faults.sites import Sites

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.asyncio(loop_scope="package"),
    pytest.mark.timeout(900),  # a world is built for the first of them
]


@pytest.mark.parametrize("fault", cases(FAULTS), ids=str)
async def test_a_fault(sites: Sites, fault: Fault) -> None:
    line = await sites.play(fault)
    print(f"{line.fault}: {line.verdict}, {line.seconds:.1f} s")
    assert line.verdict.is_clean, line.logs
