"""What is stored is read back as it was, whatever of it is null: a row leaves out what an event has no value for."""

from __future__ import annotations

import types
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal, Union, get_args, get_origin

import orjson
import pytest
from pydantic import AwareDatetime, BaseModel
from sqlalchemy import text

from schemas import OUTPUTS, Notification, OutputEvent
from storage import NotificationStore, Store, Unreadable
from storage.database import transaction
from storage.rows import _document
from tests.support.decisions import NOON, alert, data_alert

SIMPLE: dict[Any, Any] = {str: "x", int: 0, float: 0.5, bool: True, datetime: NOON, AwareDatetime: NOON}
STORED: list[type[BaseModel]] = [*OUTPUTS.values(), Notification]


def models_of(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from models_of(field.annotation)
    for part in get_args(annotation):
        yield from models_of(part)


def least(annotation: Any) -> Any:
    """A value with a null wherever one may be, and one entry in each list."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if annotation in SIMPLE:
        return SIMPLE[annotation]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation.model_validate({
            field.alias or name: least(field.annotation) for name, field in annotation.model_fields.items()
        })  # fmt: skip
    if origin in (Union, types.UnionType):
        return None if type(None) in parts else least(parts[0])
    if origin is Literal:
        return parts[0]
    if origin is dict:
        return {least(parts[0]): least(parts[1])}
    if origin is list:
        return [least(parts[0])]
    return least(parts[0])  # Annotated


@pytest.mark.parametrize("model", sorted({one for event in STORED for one in models_of(event)}, key=str))
def test_a_model_without_any_value_that_may_be_null_is_read_back(model: type[BaseModel]) -> None:
    written = least(model)
    row = _document(written) if isinstance(written, OutputEvent) else written.model_dump(mode="json", exclude_none=True)
    assert model.model_validate(orjson.loads(orjson.dumps(row))) == written


def test_a_data_alert_is_read_back(store: Store) -> None:
    written = data_alert("d")
    store.write([written], [])
    with store.reading() as reader:
        found = reader.alert("d")
        assert found is not None
        assert (found.transitions, found.score) == ([written], None)
        assert reader.transitions(0, 10) == [(1, written)]


def test_an_entry_of_the_journal_that_cannot_be_read_hides_no_other(store: Store, database_url: str) -> None:
    store.write([alert("a", 0), alert("b", 0), alert("c", 0)], [])
    notifications = NotificationStore(database_url)
    with transaction(notifications._writing) as connection:
        connection.execute(text("update alert_transitions set event = '{\"odd\": 1}' where alert_id = 'b'"))
    with store.reading() as reader:
        found = reader.transitions(0, 10)
        assert found[::2] == [(1, alert("a", 0)), (3, alert("c", 0))]
        number, entry = found[1]
        assert (number, isinstance(entry, Unreadable)) == (2, True)
        assert "sequence: is missing" in str(entry)
        body = reader.alert("b")
        assert body is not None
        assert body.transitions == []
    notifications.close()
