"""Who is told of alerts: rules, what is told when, and delivery. A role of its own beside edge and sink.

journal of alerts ─► items ─► plan (pure: items, time and budget in, groups out) ─► mail, chat, webhooks
May import: schemas, storage.
"""

from notify.refusals import Refusal
from notify.rules_file import load_rules
from notify.senders import Sender, build_sender
from notify.words import notification_to_try
from notify.worker import run_notify, senders_of

__all__ = [
    "Refusal",
    "Sender",
    "build_sender",
    "load_rules",
    "notification_to_try",
    "run_notify",
    "senders_of",
]
