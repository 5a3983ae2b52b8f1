"""AsyncAPI: the contract of the topics as one document, and the JSON Schema of each event. Pure functions.

TOPICS ─► event_schema, asyncapi_document
"""

from __future__ import annotations

from typing import Any

from schemas.base import InputEvent, Json, OutputEvent
from schemas.topics import INPUTS, OUTPUTS, TOPICS, Topic, dead_letters_of

_EVENTS: dict[str, type[InputEvent] | type[OutputEvent]] = {**INPUTS, **OUTPUTS}
_TEXT: Json = {"type": "string"}
_DEAD_LETTER_HEADERS = ("exception", "message", "topic", "partition", "offset")


def event_schema(topic: str) -> Json:
    """JSON Schema (2020-12) of the values of a topic: what producers may send, or what consumers get."""
    mode = "validation" if topic in INPUTS else "serialization"
    schema = _EVENTS[topic].model_json_schema(mode=mode)  # type: ignore[arg-type]  # a Literal
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"{schema.pop('title')} ({topic})",
        **schema,
        "examples": [_EVENTS[topic].EXAMPLE],
    }


def asyncapi_document(version: str) -> Json:
    """AsyncAPI 3.0: channels are topics; `send` is what Millrace sends, `receive` what it reads."""
    topics = [t for t in TOPICS if t.name in _EVENTS]
    dead = [t for t in TOPICS if t.name in map(dead_letters_of, INPUTS)]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Millrace",
            "version": version,
            "description": "Events in, decisions out. JSON values in UTF-8; keys are UTF-8 text. "
            "MILLRACE_TOPIC_PREFIX comes before every address.",
        },
        "defaultContentType": "application/json",
        "channels": {t.name: _channel(t) for t in topics + dead},
        "operations": {
            **{f"receive_{t.name}": _operation("receive", t) for t in topics if t.name in INPUTS},
            **{f"send_{t.name}": _operation("send", t) for t in topics if t.name in OUTPUTS},
            **{f"send_{t.name}": _operation("send", t) for t in dead},
        },
        "components": {
            "schemas": {t.name: _without_definitions(t.name) for t in topics},
            "messageTraits": {"cloudEvent": {"headers": _cloud_event_headers()}},
        },
    }


def _channel(topic: Topic) -> Json:
    message = _message(topic) if topic.name in _EVENTS else _dead_letter(topic)
    retention = {key: value for key, value in topic.config.items() if key in {"cleanup.policy", "retention.ms"}}
    return {
        "address": topic.name,
        "description": topic.purpose,
        "messages": {"event": message},
        "bindings": {"kafka": {"topicConfiguration": _topic_configuration(retention), "bindingVersion": "0.5.0"}},
    }


def _topic_configuration(config: dict[str, str]) -> Json:
    values: Json = {"cleanup.policy": config["cleanup.policy"].split(",")}
    if "retention.ms" in config:
        values["retention.ms"] = int(config["retention.ms"])
    return values


def _message(topic: Topic) -> Json:
    message: Json = {
        "name": _EVENTS[topic.name].__name__,
        "contentType": "application/json",
        "payload": {"$ref": f"#/components/schemas/{topic.name}"},
        "bindings": {"kafka": {"key": {**_TEXT, "description": topic.key}, "bindingVersion": "0.5.0"}},
        "examples": [{"payload": _EVENTS[topic.name].EXAMPLE}],
    }
    if topic.name in OUTPUTS:
        message["traits"] = [{"$ref": "#/components/messageTraits/cloudEvent"}]
    return message


def _dead_letter(topic: Topic) -> Json:
    names = [f"__streams.errors.{name}" for name in _DEAD_LETTER_HEADERS]
    return {
        "name": "DeadLetter",
        "contentType": "application/octet-stream",
        "description": "The record as it was, with the reason in its headers.",
        "headers": {"type": "object", "properties": dict.fromkeys(names, _TEXT), "required": names},
        "payload": {},
        "bindings": {"kafka": {"key": {**_TEXT, "description": topic.key}, "bindingVersion": "0.5.0"}},
    }


def _operation(action: str, topic: Topic) -> Json:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{topic.name}"},
        "summary": topic.purpose,
        "messages": [{"$ref": f"#/channels/{topic.name}/messages/event"}],
    }


def _cloud_event_headers() -> Json:
    """CloudEvents 1.0, binary mode of its Kafka binding."""
    names = ("ce_id", "ce_source", "ce_type", "ce_time", "ce_specversion", "content-type")
    properties = dict.fromkeys((*names, "traceparent"), _TEXT)
    return {"type": "object", "properties": properties, "required": list(names)}


def _without_definitions(topic: str) -> Json:
    """The schema with its `$defs` addressed from the root of the document."""
    schema: Json = _readdress(event_schema(topic), f"#/components/schemas/{topic}/$defs/")
    return schema


def _readdress(value: Any, prefix: str) -> Any:
    if isinstance(value, dict):
        return {
            key: prefix + inner.removeprefix("#/$defs/") if key == "$ref" else _readdress(inner, prefix)
            for key, inner in value.items()
        }
    return [_readdress(inner, prefix) for inner in value] if isinstance(value, list) else value
