"""Dead letters on the real broker, quarantined as the agents do it."""

from __future__ import annotations

import orjson
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from schemas import CLICKS, NOBODY, PUT_BACK, TELEMETRY, Letters, Settings, dead_letters_of, reason_kind, topic_name
from streams.agent import DeadLetter
from streams.agent.deadletters import dead_letter_output
from streams.kafka import EventProducer, client_options
from streams.quarantine import DeadLetterError, ReplayedLetters, input_topic, list_letters, replay_letters
from tests.support import consume, create_topics, produce


async def quarantine(
    settings: Settings, count: int, surplus: int = 0, reason: str = "readings: Field required"
) -> None:
    """What the agents do with the last `count` records."""
    records = sorted(
        await consume(settings, TELEMETRY, until=count), key=lambda r: (r.timestamp, r.partition, r.offset)
    )
    async with EventProducer(settings) as producer:
        for record in records[-count:]:
            letter = dead_letter_output(DeadLetter(record, reason), TELEMETRY, surplus)
            await producer.push_bytes(letter.topic, letter.key, letter.value, list(letter.headers))
        await producer.flush()


async def test_letters_go_back_once_as_they_were(settings: Settings) -> None:
    await create_topics(settings, TELEMETRY, dead_letters_of(TELEMETRY))
    assert await list_letters(settings, TELEMETRY) == []
    assert await replay_letters(settings, TELEMETRY) == ReplayedLetters(0, 0)
    sent = await produce(settings, TELEMETRY, [(f"a{n}", b"\xff bad %d" % n) for n in range(5)])
    await quarantine(settings, 5)

    letters = await list_letters(settings, TELEMETRY)
    assert {(letter.partition, letter.offset) for letter in letters} == set(sent)
    on_dlq = await consume(settings, dead_letters_of(TELEMETRY), until=5)
    assert {(x.quarantine_partition, x.quarantine_offset) for x in letters} == {(r.partition, r.offset) for r in on_dlq}
    assert {(x.topic, x.exception, x.reason) for x in letters} == {
        (TELEMETRY, "InvalidEvent", "readings: Field required")
    }
    assert {letter.key for letter in letters} == {f"a{n}" for n in range(5)}
    assert not any(letter.is_replayed for letter in letters)

    assert await replay_letters(settings, TELEMETRY) == ReplayedLetters(5, 0)
    assert await replay_letters(settings, TELEMETRY) == ReplayedLetters(0, 0)
    records = await consume(settings, TELEMETRY, until=10)
    assert sorted((r.key, r.value) for r in records) == sorted(
        [(f"a{n}".encode(), b"\xff bad %d" % n) for n in range(5)] * 2
    )
    assert all(r.headers == () for r in records)
    assert all(letter.is_replayed for letter in await list_letters(settings, TELEMETRY))


async def test_headers_without_values_are_kept_and_strangers_letters_are_listed(settings: Settings) -> None:
    """Null values are legal; somebody else may write to the quarantine too."""
    await create_topics(settings, TELEMETRY, dead_letters_of(TELEMETRY))
    async with EventProducer(settings) as producer:
        await producer.push_bytes(TELEMETRY, b"a", b"\xff", [("trace", None), ("", b"x")])
        await producer.flush()
    await quarantine(settings, 1)
    odd = [(f"__streams.errors.{name}", None) for name in ("topic", "partition", "offset", "message", "exception")]
    async with EventProducer(settings) as producer:
        await producer.push_bytes(dead_letters_of(TELEMETRY), b"a", b"x", odd)
        await producer.flush()
    letters = await list_letters(settings, TELEMETRY)
    assert sorted((letter.topic, letter.offset) for letter in letters) == [("", -1), (TELEMETRY, 0)]
    assert await replay_letters(settings, TELEMETRY) == ReplayedLetters(2, 0)
    records = await consume(settings, TELEMETRY, until=3)
    assert [r.headers for r in records if r.value == b"\xff"] == [(("trace", None), ("", b"x"))] * 2


async def test_a_letter_that_was_cut_stays(settings: Settings) -> None:
    await create_topics(settings, TELEMETRY, dead_letters_of(TELEMETRY))
    await produce(settings, TELEMETRY, [("a", b"x" * 1000)])
    await quarantine(settings, 1, surplus=500)
    [letter] = await list_letters(settings, TELEMETRY)
    assert letter.bytes == 1000
    assert await replay_letters(settings, TELEMETRY) == ReplayedLetters(0, 1)


async def retain_from(settings: Settings, partition: int, offset: int) -> None:
    """What retention does to the letters of a partition before this one."""
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    try:
        tp = TopicPartition(topic_name(settings, dead_letters_of(TELEMETRY)), partition)
        await admin.delete_records({tp: RecordsToDelete(offset)})
    finally:
        await admin.close()


async def test_letters_that_retention_left_go_back_and_the_others_are_counted(settings: Settings) -> None:
    await create_topics(settings, TELEMETRY, dead_letters_of(TELEMETRY))
    [(partition, _)] = await produce(settings, TELEMETRY, [("a", b"0")])
    await quarantine(settings, 1)
    assert await replay_letters(settings, TELEMETRY) == ReplayedLetters(1, 0)
    await produce(settings, TELEMETRY, [("a", b"%d" % number) for number in range(1, 6)])
    await quarantine(settings, 7)  # the first and what came of it are quarantined again
    await retain_from(settings, partition, (await list_letters(settings, TELEMETRY))[-3].quarantine_offset)

    assert [letter.is_replayed for letter in await list_letters(settings, TELEMETRY)] == [False] * 3
    assert await replay_letters(settings, TELEMETRY) == ReplayedLetters(3, 0, deleted=4)
    assert await replay_letters(settings, TELEMETRY) == ReplayedLetters(0, 0)
    assert all(letter.is_replayed for letter in await list_letters(settings, TELEMETRY))


async def test_that_retention_left_nothing_is_told_once(settings: Settings) -> None:
    await create_topics(settings, TELEMETRY, dead_letters_of(TELEMETRY))
    [(partition, _), _] = await produce(settings, TELEMETRY, [("a", b"0"), ("a", b"1")])
    await quarantine(settings, 2)
    await retain_from(settings, partition, 2)
    assert await replay_letters(settings, TELEMETRY) == ReplayedLetters(0, 0, deleted=2)
    assert await replay_letters(settings, TELEMETRY) == ReplayedLetters(0, 0)


async def test_that_retention_left_nothing_of_one_partition_is_told_beside_letters_of_another(
    settings: Settings,
) -> None:
    await create_topics(settings, TELEMETRY, dead_letters_of(TELEMETRY))
    keys = [f"asset-{number}" for number in range(8)]
    placed = await produce(settings, TELEMETRY, [(key, b"0") for key in keys])
    (gone, _), partitions = placed[0], [partition for partition, _ in placed]
    await quarantine(settings, len(keys))
    count = partitions.count(gone)
    assert count < len(keys)
    await retain_from(settings, gone, count)
    assert await replay_letters(settings, TELEMETRY) == ReplayedLetters(len(keys) - count, 0, deleted=count)


async def test_one_letter_or_those_of_a_reason_go_back_once(settings: Settings) -> None:
    """Whatever was chosen is noted in the quarantine, with who did it, and no later replay sends it again."""
    await create_topics(settings, TELEMETRY, dead_letters_of(TELEMETRY))
    keys = [f"asset-{number}" for number in range(6)]
    for number, key in enumerate(keys):
        await produce(settings, TELEMETRY, [(key, b"%d" % number)])
        await quarantine(settings, 1, reason=f"value {number} is odd" if number % 2 else "is missing - at asset_id")
    letters = await list_letters(settings, TELEMETRY)
    first = next(letter for letter in letters if letter.key == keys[0])
    one = Letters(first.quarantine_partition, first.quarantine_offset)
    assert await replay_letters(settings, TELEMETRY, one, "jo") == ReplayedLetters(1, 0)
    assert await replay_letters(settings, TELEMETRY, one, "jo") == ReplayedLetters(0, 0)
    odd = Letters(kind=reason_kind("value 77 is odd"))
    assert await replay_letters(settings, TELEMETRY, odd, "al") == ReplayedLetters(3, 0)
    assert await replay_letters(settings, TELEMETRY, odd, "al") == ReplayedLetters(0, 0)
    done = {letter.key for letter in await list_letters(settings, TELEMETRY) if letter.is_replayed}
    assert done == {keys[0], keys[1], keys[3], keys[5]}
    assert await replay_letters(settings, TELEMETRY, Letters(99, 0)) == ReplayedLetters(0, 0), "there is no such one"
    assert await replay_letters(settings, TELEMETRY) == ReplayedLetters(2, 0)
    assert await replay_letters(settings, TELEMETRY, odd) == ReplayedLetters(0, 0)
    values = [record.value for record in await consume(settings, TELEMETRY, until=12)]
    assert sorted(values) == sorted([b"%d" % number for number in range(6)] * 2)
    notes = [r for r in await consume(settings, dead_letters_of(TELEMETRY), until=8) if b"by" in (r.value or b"")]
    assert {dict(note.headers)["__streams.errors.exception"] for note in notes} == {PUT_BACK.encode()}
    assert {orjson.loads(note.value or b"")["by"] for note in notes} == {"jo", "al", NOBODY}


async def test_only_input_topics_have_letters() -> None:
    with pytest.raises(DeadLetterError, match=r"'scores\.v1' has no dead letters"):
        await list_letters(Settings(kafka="127.0.0.1:1"), "scores.v1")


@pytest.mark.parametrize("name", ["clicks.v1", "clicks.v1.dlq", "clicks"])
def test_a_topic_is_known_by_its_quarantine_and_for_short(name: str) -> None:
    assert input_topic(name) == CLICKS
