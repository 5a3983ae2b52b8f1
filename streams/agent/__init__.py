"""One agent's partitions: from fetched records, through a handler and its rows, to outputs and a checkpoint.

Source ─► Merge ─► a turn of batches ─► Handler.handle_all ─► Outbox ─► checkpoint (one transaction)
May import: schemas, streams.kafka, streams.metrics, streams.wire, models.stages. Knows no
page and no model of any kind.
"""

from streams.agent.arrival import arrived_s, at_arrival
from streams.agent.deadletters import HEADER
from streams.agent.decode import (
    decode_records,
    decode_topics,
    forgets_user,
    given_id,
    most_future,
    readable_key,
    record_time_s,
    record_times_s,
)
from streams.agent.handler import Bulk, DeadLetter, Handler, Outcome, Output, Outputs, Work
from streams.agent.notes import Note, is_note, note_of, read_note
from streams.agent.outbox import Outbox
from streams.agent.outputs import (
    EPOCH,
    MICROSECOND,
    caused_by,
    cloud_event_headers,
    decision,
    epoch_us,
    output_id,
    traces_of,
)
from streams.agent.placing import CURE, TAKEN, TAKEN_FROM, TAKEN_LAYOUT, is_second, partition_of, placed, taken_from
from streams.agent.rows import Layout, PartitionState, Rows, adopt, empty_state, fits
from streams.agent.runtime import Runtime
from streams.agent.source import Source

__all__ = [
    "CURE",
    "EPOCH",
    "HEADER",
    "MICROSECOND",
    "TAKEN",
    "TAKEN_FROM",
    "TAKEN_LAYOUT",
    "Bulk",
    "DeadLetter",
    "Handler",
    "Layout",
    "Note",
    "Outbox",
    "Outcome",
    "Output",
    "Outputs",
    "PartitionState",
    "Rows",
    "Runtime",
    "Source",
    "Work",
    "adopt",
    "arrived_s",
    "at_arrival",
    "caused_by",
    "cloud_event_headers",
    "decision",
    "decode_records",
    "decode_topics",
    "empty_state",
    "epoch_us",
    "fits",
    "forgets_user",
    "given_id",
    "is_note",
    "is_second",
    "most_future",
    "note_of",
    "output_id",
    "partition_of",
    "placed",
    "read_note",
    "readable_key",
    "record_time_s",
    "record_times_s",
    "taken_from",
    "traces_of",
]
