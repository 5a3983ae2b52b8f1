"""Batches: record batches whose records are written already, in the place of those that aiokafka fills.

bytes of records, behind room for the header ─► WrittenBatch ─► header, CRC ─► AIOKafkaProducer.send_batch
"""

from __future__ import annotations

import struct

from aiokafka.record.util import calc_crc32c

# Offset, length, leader epoch, magic, CRC, attributes, last offset, first and last time, producer, epoch, sequence,
# records: https://kafka.apache.org/documentation/#recordbatch
_HEADER = struct.Struct(">qiibIhiqqqhii")
_CRC, _CHECKED_FROM, _COUNTED_FROM = 17, 21, 12  # offsets: of the CRC, of what it covers, of what the length counts
MAGIC = 2


class WrittenBatch:
    """What `send_batch` asks of aiokafka's BatchBuilder. Closed: no record is added.

    Args:
        buffer: 61 bytes of room, and records with offsets 0, 1, 2 ... and no time of their own; not copied.
        timestamp_ms: of all records.
    """

    def __init__(self, buffer: bytearray, records: int, timestamp_ms: int) -> None:
        self._buffer, self._records, self._timestamp_ms = buffer, records, timestamp_ms
        self._producer = (-1, -1, 0)  # id, epoch, sequence

    def record_count(self) -> int:
        return self._records

    def size(self) -> int:
        return len(self._buffer)

    @property
    def records_size(self) -> int:
        """Bytes of the records."""
        return len(self._buffer) - _HEADER.size

    def closed(self) -> bool:
        return True

    def close(self) -> None: ...

    def append(self, **_record: object) -> None:
        """None, as of every builder that is closed."""

    def _set_producer_state(self, producer_id: int, producer_epoch: int, base_sequence: int) -> None:
        self._producer = producer_id, producer_epoch, base_sequence

    def _build(self) -> bytearray:
        at = self._timestamp_ms
        size, last = len(self._buffer) - _COUNTED_FROM, self._records - 1
        _HEADER.pack_into(self._buffer, 0, 0, size, -1, MAGIC, 0, 0, last, at, at, *self._producer, self._records)
        crc = calc_crc32c(memoryview(self._buffer)[_CHECKED_FROM:])
        struct.pack_into(">I", self._buffer, _CRC, crc)
        return self._buffer
