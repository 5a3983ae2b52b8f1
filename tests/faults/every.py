"""Every fault there is, in the order of the table."""

from __future__ import annotations

from tests.faults.brokers import BROKERS
from tests.faults.databases import DATABASES
from tests.faults.deaths import DEATHS
from tests.faults.disks import DISKS
from tests.faults.groups import GROUPS
from tests.faults.inputs import INPUTS
from tests.faults.links import LINKS
from tests.faults.order import ORDER

FAULTS = (*DEATHS, *GROUPS, *LINKS, *BROKERS, *ORDER, *INPUTS, *DATABASES, *DISKS)
