"""A shop and a plant that do not exist, and everything that `make demo` starts for them.

simulators ─► events ─► training ─► supervisor ─► what to try
May import: every room below millrace, millrace.service.
"""

from millrace.demo.asset_classes import ASSET_CLASSES, PUMP
from millrace.demo.demo import run_demo
from millrace.demo.simulate import Event, Plant, Shop, stamp

__all__ = ["ASSET_CLASSES", "PUMP", "Event", "Plant", "Shop", "run_demo", "stamp"]
