"""Dead letters: input records that cannot be handled, quarantined with their original key and bytes.

record + reason ─► <topic>.dlq, same partition ─► `millrace deadletters list` and `replay`
"""

from __future__ import annotations

import traceback

from schemas import dead_letters_of
from streams.agent.handler import DeadLetter, Output

HEADER = "__streams.errors."
MAX_REASON_CHARS = 8000  # of a traceback the end says most
BARE_REASON_CHARS = 500
MARK_BYTES = 64  # of the header `truncated`


def dead_letter_output(letter: DeadLetter, topic: str, surplus: int = 0) -> Output:
    """The record for the quarantine of `topic` (the name in the contract).

    With a `surplus` of bytes, for which the broker would refuse it, the value is cut; the header `truncated` then has
    its size, and the original stays on the input topic, at the offset in the headers, until retention removes it.
    """
    record, value = letter.record, letter.record.value
    headers = _why(letter, topic)
    if value is not None and surplus > 0:
        headers.append((HEADER + "truncated", b"%d" % len(value)))
        value = value[: max(0, len(value) - surplus - MARK_BYTES)]
    if record.key is None and value is None:
        value = b""  # Kafka clients take a record without key and value for a mistake
    return Output(dead_letters_of(topic), record.key, value, [*record.headers, *headers], record.partition)


def bare_letter(letter: DeadLetter, topic: str) -> Output:
    """What of a dead letter can always be sent: where the record is and why, without its headers, key and value. It
    counts as cut.
    """
    headers = [*_why(letter, topic, BARE_REASON_CHARS), (HEADER + "truncated", b"%d" % len(letter.record.value or b""))]
    return Output(dead_letters_of(topic), None, b"", headers, letter.record.partition)


def _why(letter: DeadLetter, topic: str, most_chars: int = MAX_REASON_CHARS) -> list[tuple[str, bytes | None]]:
    return [
        (HEADER + "exception", letter.exception.encode(errors="replace")),
        (HEADER + "message", letter.reason[-most_chars:].encode(errors="replace")),
        (HEADER + "topic", topic.encode()),
        (HEADER + "partition", b"%d" % letter.record.partition),
        (HEADER + "offset", b"%d" % letter.record.offset),
    ]


def failure_reason(error: BaseException) -> str:
    """The traceback of a handler's failure."""
    return "".join(traceback.format_exception(error)).strip()
