"""The demo tells what the live stream says, and nothing that it says ends the demo."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from itertools import takewhile

from fastapi.sse import format_sse_event
from hypothesis import given
from hypothesis import strategies as st

from millrace.demo.demo import PUMPS_RAN_S, lives
from millrace.demo.narration import events_of, told
from millrace.demo.simulate import Plant
from schemas import TELEMETRY, Action, Evidence
from tests.support.decisions import alert

ACTION = Action.model_validate(Action.EXAMPLE)


def test_an_alert_and_what_people_do_about_it() -> None:
    raised = alert("a", 0, evidence=Evidence(reason="rul below 20", value=12.0, threshold=20.0))
    assert told("alert", raised.model_dump_json()) == (
        "Alert raised: pump-1 rul below 20, about 12 cycles left",
        "pump-1",
    )
    press = alert(
        "b", 1, asset_class="press", state="cleared", evidence=Evidence(reason="recovered", value=None, threshold=None)
    )
    assert told("alert", press.model_dump_json()) == ("Alert cleared: pump-1 wear recovered", "")
    assert told("action", ACTION.model_dump_json()).line == (
        "An alert of pump-7 was acknowledged by jo: bearing ordered"
    )


@given(st.sampled_from(["alert", "action", "message", "later"]), st.text(max_size=40))
def test_whatever_the_stream_says_the_demo_goes_on(kind: str, data: str) -> None:
    assert kind in told(kind, data).line
    assert told(kind, data).raised == ""


def test_events_of_a_stream() -> None:
    stream = b"".join(
        [
            format_sse_event(retry=2000, comment="millrace"),
            format_sse_event(id="7", event="action", data_str=ACTION.model_dump_json()),
            format_sse_event(comment="alive"),
            format_sse_event(id="8", data_str="two\nlines"),
        ]
    )

    async def lines() -> AsyncIterator[str]:
        for line in stream.decode().splitlines():
            yield line
        yield ""

    async def read() -> list[tuple[str, str]]:
        return [event async for event in events_of(lines())]

    assert asyncio.run(read()) == [("action", ACTION.model_dump_json()), ("message", "two\nlines")]


def test_machines_that_ran_before_tell_of_it_first() -> None:
    """So that the first alert does not let a newcomer wait."""
    began = time.time() - PUMPS_RAN_S
    events = takewhile(lambda event: event.time < began + PUMPS_RAN_S, lives(Plant(seed=3, pumps=8), PUMPS_RAN_S))
    readings = [event.time for event in events if event.topic == TELEMETRY and event.key == "pump-01"]
    assert readings[0] - began < 2
    assert len(readings) > PUMPS_RAN_S - 3
    alone = next(event for event in lives(Plant(seed=3, pumps=8)) if event.topic == TELEMETRY)
    assert alone.time > began + PUMPS_RAN_S - 1
