"""Every fault there is, in the order of the table."""

from __future__ import annotations

from dataclasses import replace

from tests.faults.brokers import BROKERS
from tests.faults.clocks import CLOCKS
from tests.faults.databases import DATABASES
from tests.faults.deaths import DEATHS
from tests.faults.disks import DISKS
from tests.faults.groups import GROUPS
from tests.faults.inputs import INPUTS
from tests.faults.links import LINKS
from tests.faults.order import ORDER

# What a run of all tests has time for: those that tell most, in about a minute and a half
SHORT = (
    "edge killed: placements written, decisions not",
    "edge killed: in the checkpoint, rows written",
    "sink killed before and after its COMMIT",
    "held EndTxn, let go in the next transaction",
    "order: 8,000/s, caught up, slow fetches of maintenance.v1",
    "1 % garbage among readings and log",
    "PostgreSQL: permission revoked for 5 s",
)
EVERY = (*DEATHS, *GROUPS, *LINKS, *BROKERS, *ORDER, *INPUTS, *CLOCKS, *DATABASES, *DISKS)
FAULTS = tuple(replace(fault, is_long=fault.name not in SHORT) for fault in EVERY)
