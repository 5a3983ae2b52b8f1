"""Foreign: records that are not what producers of events write, recognised by what other tools put on Kafka.

key, value ─► what it is, and the setting that would avoid it
"""

from __future__ import annotations

from typing import Any

FRAME_BYTES = 5  # of Confluent's serializers: a zero byte and the number of a schema
FRAMED = (
    "begins with the five bytes of a Schema Registry serializer (Avro, Protobuf or JSON Schema): send plain JSON, with "
    "a string serializer or JsonSerializer without the registry; from Kafka Connect by {side}.converter="
    "org.apache.kafka.connect.{converter}"
)
BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (
        b"\x1f\x8b",
        "is compressed with gzip by the application: use the producer's compression.type",
    ),
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd by the application: use the producer's compression.type"),
    (b"Obj\x01", "is an Avro file: send each event as JSON"),
    (b"PAR1", "is a Parquet file: `millrace replay` sends its rows"),
    (b"\xff\xfe", "is UTF-16: send UTF-8"),
    (b"\xfe\xff", "is UTF-16: send UTF-8"),
    (b"\xef\xbb\xbf", "begins with a byte order mark: send UTF-8 without one"),
    (b"\xac\xed\x00\x05", "is a Java object: use StringSerializer or JsonSerializer, not Java's own serialization"),
    (b"\x80\x04\x95", "is a pickled Python object: send json.dumps(event).encode()"),
    (b"\x80\x05\x95", "is a pickled Python object: send json.dumps(event).encode()"),
    (b"<", "is XML: send JSON"),
)


def foreign_bytes(value: bytes) -> str:
    """What a value that is no JSON is; empty where it looks like none of these."""
    if value[:1] == b"\0" and len(value) > FRAME_BYTES:
        return FRAMED.format(side="value", converter="json.JsonConverter and value.converter.schemas.enable=false")
    for beginning, what in BEGINNINGS:
        if value.startswith(beginning):
            return f"the value {what}"[:400]
    return ""


def foreign_document(document: Any) -> str:
    """What a JSON value that is no event is; empty where it looks like none of these."""
    if isinstance(document, str) and document.lstrip()[:1] in ("{", "["):
        return "the value is a JSON text that holds JSON: it was serialized twice"
    if isinstance(document, list) and document:
        return "the value is a list: send each event as a record of its own"
    return _envelope(document) if isinstance(document, dict) else ""


def _envelope(document: dict[str, Any]) -> str:
    if _is_change(document.get("payload")) or _is_change(document):
        return (
            "the value is a change event of Debezium: unwrap it by transforms=unwrap and "
            "transforms.unwrap.type=io.debezium.transforms.ExtractNewRecordState"
        )
    if {"schema", "payload"} <= document.keys():
        return "the value is in an envelope of Kafka Connect: set value.converter.schemas.enable=false"
    if {"specversion", "type", "source"} <= document.keys():
        return "the value is a CloudEvent in structured mode: send its data alone, or use the binary mode"
    return ""


def _is_change(document: Any) -> bool:
    return isinstance(document, dict) and "op" in document and {"before", "after"} & document.keys() != set()


def foreign_key(key: bytes, wanted: str) -> str:
    """What a key is that is not the one wanted; empty where it looks like none of these."""
    if key[:1] == b"\0" and key[FRAME_BYTES:].strip(b'"') == wanted.encode():
        converter = "storage.StringConverter"
        return f"; it {FRAMED.format(side='key', converter=converter)}"
    text = key.decode(errors="replace").strip()
    if text == f'"{wanted}"':
        return (
            "; it is encoded as JSON: use a string serializer for keys; in Kafka Connect "
            "key.converter=org.apache.kafka.connect.storage.StringConverter"
        )
    if text[:1] == "{":
        return (
            "; it is a JSON object: the key is the id alone; in Kafka Connect the transform ExtractField$Key and "
            "key.converter=org.apache.kafka.connect.storage.StringConverter make it so"
        )
    if wanted.isdigit() and len(key) in (4, 8) and int.from_bytes(key, "big") == int(wanted):
        return "; it is a binary number: use StringSerializer for keys, not that of integers"
    return ""
