"""Processes that run together, and the doctor that tells how they are.

Supervisor ─► parts (broker, edge, sink, API), started again when they die;  doctor ─► findings
May import: every room below millrace, millrace.kafka.
"""

from millrace.service.doctor import examine
from millrace.service.part import StartError
from millrace.service.supervisor import Supervisor, Tell, program, run_up, stop_signals, until_stopped
from millrace.service.waiting import told_while_waiting

__all__ = [
    "StartError",
    "Supervisor",
    "Tell",
    "examine",
    "program",
    "run_up",
    "stop_signals",
    "told_while_waiting",
    "until_stopped",
]
