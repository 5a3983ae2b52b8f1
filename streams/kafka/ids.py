"""Topic ids: which topic of a name it is. A topic that was deleted and made anew has the same name, but another id.

topics by name ─► Metadata request, version 12 ─► Kafka's UUID of each that exists

Offsets only mean something together with this id: kept beside a position, it tells whether the position is of this
topic or of one that is gone, even when the new one is longer. aiokafka 0.14 speaks Metadata up to version 5, which has
no ids (they came with version 10, KIP-516); so the one version needed is written down here. Every Kafka since 3.0
speaks version 12. https://kafka.apache.org/protocol#The_Messages_Metadata
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, RequestTimedOutError, UnknownTopicOrPartitionError, for_code
from aiokafka.protocol.abstract import AbstractType
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Boolean, CompactArray, CompactString, Int16, Int32, Schema, TaggedFields

from schemas import Settings
from streams.kafka.clients import client_options, unbroken

# Of each request; all take a few milliseconds when all is well
TIMEOUT_S = 3.0
UUID_BYTES = 16
NO_ID = bytes(UUID_BYTES)
UNKNOWN_TOPIC = UnknownTopicOrPartitionError.errno


class _Uuid(AbstractType[bytes]):
    """16 bytes as they are; all zero: none."""

    @classmethod
    def encode(cls, value: bytes) -> bytes:
        return value

    @classmethod
    def decode(cls, data: BytesIO) -> bytes:
        value = data.read(UUID_BYTES)
        if len(value) != UUID_BYTES:
            raise ValueError(f"An answer of Kafka ends within a UUID, after {len(value)} of its 16 bytes.")
        return value

    @classmethod
    def repr(cls, value: bytes) -> str:
        return _text(value)


_BROKER = (
    ("node_id", Int32),
    ("host", CompactString()),
    ("port", Int32),
    ("rack", CompactString()),
    ("tags", TaggedFields),
)
_PARTITION = (
    ("error_code", Int16),
    ("partition", Int32),
    ("leader", Int32),
    ("leader_epoch", Int32),
    ("replicas", CompactArray(Int32)),
    ("isr", CompactArray(Int32)),
    ("offline_replicas", CompactArray(Int32)),
    ("tags", TaggedFields),
)
_TOPIC = (
    ("error_code", Int16),
    ("topic", CompactString()),
    ("topic_id", _Uuid),
    ("is_internal", Boolean),
    ("partitions", CompactArray(*_PARTITION)),
    ("authorized_operations", Int32),
    ("tags", TaggedFields),
)


class _Metadata12(Response):
    API_KEY = 3
    API_VERSION = 12
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", CompactArray(*_BROKER)),
        ("cluster_id", CompactString()),
        ("controller_id", Int32),
        ("topics", CompactArray(*_TOPIC)),
        ("tags", TaggedFields),
    )


class _AskMetadata12(RequestStruct):
    API_KEY = 3
    API_VERSION = 12
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _Metadata12
    SCHEMA = Schema(
        ("topics", CompactArray(("topic_id", _Uuid), ("name", CompactString()), ("tags", TaggedFields))),
        ("allow_auto_topic_creation", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _AskMetadata(Request[_AskMetadata12]):
    """aiokafka negotiates the version from these classes: a broker without version 12 is refused."""

    API_KEY = 3

    def __init__(self, topics: list[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[_AskMetadata12]) -> _AskMetadata12:
        no_tags: dict[int, bytes] = {}
        topics = [(NO_ID, name, no_tags) for name in self._topics]
        return request_struct_class(topics, False, False, no_tags)  # looking must not create what was deleted


async def topic_ids(settings: Settings, topics: Iterable[str]) -> dict[str, str]:
    """Kafka's id of each of these topics (names on the broker) that exists, as Kafka's own tools print it.

    One broker answers from what it knows: for a moment after a change another one may answer otherwise. So a topic
    that is missing here may just have been made, and only another id says that it was made anew.

    Raises:
        KafkaError: the broker does not answer a request within TIMEOUT_S, or not as it should.
    """
    names = sorted(set(topics))
    if not names:
        return {}
    client: Any = AIOKafkaClient(**client_options(settings), request_timeout_ms=int(TIMEOUT_S * 1000))
    try:
        await unbroken(client.bootstrap())
        answer = await client.send(client.get_random_node(), _AskMetadata(names))
    except (TimeoutError, OSError) as error:
        raise RequestTimedOutError(f"Kafka at {settings.kafka} does not tell the ids of topics: {error!r}") from error
    finally:
        await client.close()
    return _ids(answer.to_object()["topics"])


def _ids(topics: list[dict[str, Any]]) -> dict[str, str]:
    """A topic without a leader has its id all the same; one that is not there has an error and none."""
    ids: dict[str, str] = {}
    for topic in topics:
        name, topic_id, code = topic["topic"], topic["topic_id"], topic["error_code"]
        if topic_id != NO_ID:
            ids[name] = _text(topic_id)
        elif code not in (0, UNKNOWN_TOPIC):
            raise for_code(code)(f"Kafka does not tell the id of topic {name}")
    return ids


def _text(topic_id: bytes) -> str:
    return base64.urlsafe_b64encode(topic_id).decode().rstrip("=")


@dataclass(frozen=True)
class Watched:
    """What a look at topics found, against what was known of them."""

    anew: frozenset[str] = frozenset()  # deleted and made anew: they have another id
    gone: frozenset[str] = frozenset()  # known, and not there
    first_seen: frozenset[str] = frozenset()  # not known before: what was done without their ids may be wrong


class TopicWatch:
    """A topic that is deleted and made anew keeps its name: only its id tells.

    Args:
        topics: names on the broker.
        ids: those that are known; a topic that is not among them is known from the first look on.
    """

    def __init__(self, settings: Settings, topics: Iterable[str], ids: Mapping[str, str] | None = None) -> None:
        self._settings, self._topics = settings, list(topics)
        self.ids = dict(ids or {})

    async def look(self) -> Watched:
        """Never raises for a broker that is away: fetching tells of that, and nothing is known of the topics."""
        try:
            found = await topic_ids(self._settings, self._topics)
        except (KafkaError, OSError):
            return Watched()
        first_seen = frozenset(found.keys() - self.ids.keys())
        self.ids = found | self.ids
        anew = frozenset(topic for topic, topic_id in found.items() if self.ids[topic] != topic_id)
        gone = frozenset(self.ids.keys() - found.keys()) if found else frozenset[str]()
        return Watched(anew, gone, first_seen)
