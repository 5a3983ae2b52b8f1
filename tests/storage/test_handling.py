"""What people do about alerts: no illegal step, nothing lost, nothing twice, whatever is repeated and in whatever order
the machine's transitions come between."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text

from schemas import Action, AlertDetail, Outcome
from storage import ActionRequest, Ages, AlertFilter, KeyReusedError, NotOpenError, Store
from storage.database import transaction
from tests.support.decisions import alert, at, score

SOON = timedelta(hours=8)


def _asked(kind: Any, by: str = "jo", note: str | None = "because", **what: Any) -> ActionRequest:
    return ActionRequest(kind, by, note, **what)


def _shelve(store: Store, until: datetime | None = None, alert_id: str = "a") -> AlertDetail:
    found = store.act(alert_id, _asked("shelved", until=until or datetime.now(UTC) + SOON))
    assert found is not None
    return found


def _alert(store: Store, alert_id: str = "a") -> AlertDetail:
    with store.reading() as reader:
        found = reader.alert(alert_id)
    assert found is not None
    return found


def _shown(store: Store, **which: Any) -> list[str]:
    with store.reading() as reader:
        return sorted(one.alert_id for one in reader.alerts(AlertFilter(**which), None, 50))


def test_what_is_shelved_is_out_of_sight_and_comes_back_by_itself(store: Store) -> None:
    store.write([alert("a", 0), alert("b", 0, asset_id="pump-2")], [])
    until = datetime.now(UTC) + timedelta(seconds=0.3)
    shelved = _shelve(store, until)
    assert shelved.shelving is not None
    assert (shelved.shelving.by, shelved.shelving.reason, shelved.shelving.until) == ("jo", "because", until)
    assert _shown(store, state="raised", shelved=False) == ["b"]
    assert _shown(store, shelved=True) == ["a"]
    with store.reading() as reader:
        counts = reader.count_open_alerts()
    assert (counts.warning, counts.shelved) == (1, 1)
    while datetime.now(UTC) <= until:
        threading.Event().wait(0.02)
    assert _shown(store, state="raised", shelved=False) == ["a", "b"], "with its time, whoever has told it or not"
    assert store.end_shelvings() == 1
    assert store.end_shelvings() == 0
    last = _alert(store).actions[-1]
    assert (last.kind, last.by) == ("unshelved", "millrace")
    assert store.act("a", _asked("unshelved")) == _alert(store), "it is back already"


def test_a_shelf_is_of_the_failure_mode(store: Store) -> None:
    """An alert that chatters does not come back with each raise."""
    until = datetime.now(UTC) + SOON
    store.write([alert("a", 0)], [])
    _shelve(store, until)
    store.write([alert("a", 1, 5, state="cleared"), alert("b", 0, 9), alert("c", 0, 9, failure_mode="heat")], [])
    assert _shown(store, state="raised", shelved=False) == ["c"]
    assert _alert(store, "b").shelving is not None
    assert _alert(store, "a").shelving is None, "what is cleared needs no shelf"
    store.act("b", _asked("unshelved"))
    assert _shown(store, state="raised", shelved=False) == ["b", "c"]


def test_what_a_person_closed_stays_closed(store: Store) -> None:
    store.write([score(1), alert("a", 0, severity="critical")], [])
    closed = store.act("a", _asked("closed", note="scrapped"))
    assert closed is not None
    assert closed.closing is not None
    assert (closed.state, closed.closing.by, closed.closing.reason) == ("cleared", "jo", "scrapped")
    store.write([alert("a", 1, 5, severity="critical")], [])  # the worker had not heard of it yet
    assert _alert(store).state == "cleared"
    with store.reading() as reader:
        asset = reader.asset("pump-1", "pump")
    assert asset is not None
    assert asset.severity is None, "its worst open alert is none"
    assert store.act("a", _asked("closed", "al", "again")) == _alert(store)
    with pytest.raises(NotOpenError, match="a is cleared, so it cannot be shelved"):
        _shelve(store)


def test_all_that_people_did_is_told_in_order_and_once(store: Store) -> None:
    store.write([alert("a", 0)], [])
    outcome = Outcome(verdict="true_alarm", found="inner race worn", replaced="bearing")
    asked = [
        _asked("acknowledged"), _asked("commented", note="hot"), _asked("assigned", assignee="al", note=None),
        _asked("assigned", assignee=None, note=None), _asked("outcome", outcome=outcome, note=None),
        _asked("outcome", outcome=Outcome(verdict="false_alarm"), note=None), _asked("closed"),
    ]  # fmt: skip
    for one in asked:
        store.act("a", one)
    with store.reading() as reader:
        told = reader.untold_actions(50)
        live = [event for _, event in reader.transitions(0, 50) if isinstance(event, Action)]
    assert [one.action for one in told] == live == _alert(store).actions
    assert [one.kind for one in live] == [one.kind for one in asked]
    assert len({one.action_id for one in live}) == len(asked)
    store.mark_told(told[:3])
    with store.reading() as reader:
        assert reader.untold_actions(50) == told[3:]
    last = _alert(store).outcome
    assert last is not None
    assert (last.verdict, last.found) == ("false_alarm", None), "the last word stands"


def test_a_request_with_a_key_is_one_whatever_came_between(store: Store) -> None:
    store.write([alert("a", 0), alert("b", 0)], [])
    first = _asked("assigned", assignee="al", request_key="k1")
    store.act("a", first)
    store.act("a", _asked("assigned", assignee="bo"))
    again = store.act("a", first)
    assert again is not None
    assert again.assignee == "bo"
    with pytest.raises(KeyReusedError, match="k1"):
        store.act("a", _asked("closed", request_key="k1"))
    with pytest.raises(KeyReusedError):
        store.act("a", _asked("assigned", "al", assignee="al", request_key="k1"))
    other = store.act("b", first)
    assert other is not None
    assert other.assignee == "al", "a key is of one alert"


def test_two_servers_at_once_keep_every_action(database_url: str) -> None:
    stores = [Store(database_url), Store(database_url)]
    stores[0].write([alert("a", 0)], [])
    barrier = threading.Barrier(2, timeout=20)

    def act(number: int) -> None:
        for turn in range(15):
            barrier.wait()
            stores[number].act("a", _asked("commented", f"p{number}", f"{turn}"))
            stores[number].act("a", _asked("acknowledged", f"p{number}"))

    threads = [threading.Thread(target=act, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    actions = _alert(stores[0]).actions
    assert sum(one.kind == "acknowledged" for one in actions) == 1
    said = [(one.by, one.comment) for one in actions if one.kind == "commented"]
    assert sorted(said) == sorted((f"p{n}", f"{turn}") for n in range(2) for turn in range(15))
    for store in stores:
        store.close()


def _together(*works: Callable[[], object]) -> list[BaseException]:
    """Run them at once; what failed."""
    barrier, failures = threading.Barrier(len(works), timeout=20), list[BaseException]()

    def run(work: Callable[[], object]) -> None:
        barrier.wait()
        try:
            work()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


def test_closing_and_ending_shelves_go_beside_the_sink(database_url: str) -> None:
    """No two of them wait for each other for good: nothing is refused, and nothing is lost."""
    sink, closer, talker, ender = stores = [Store(database_url) for _ in range(4)]
    names = [f"a{n}" for n in range(30)]

    def transitions(sequence: int) -> list[Any]:
        return [
            alert(name, sequence, sequence, asset_id=f"p{n % 5}", failure_mode=name) for n, name in enumerate(names)
        ]

    sink.write(transitions(0), [])
    for name in names[::2]:
        sink.act(name, _asked("shelved", until=datetime.now(UTC) + timedelta(milliseconds=50)))
    failures = _together(
        lambda: [sink.write([*transitions(n), *(score(n, f"p{m}") for m in range(5))], []) for n in range(1, 16)],
        lambda: [closer.act(name, _asked("closed")) for name in names],
        lambda: [talker.act(name, _asked("commented")) for name in reversed(names)],
        lambda: [ender.end_shelvings() for _ in range(30)],
    )
    assert failures == []
    ender.end_shelvings()
    for n, name in enumerate(names):
        kinds = {one.kind for one in _alert(sink, name).actions}
        assert kinds == {"closed", "commented", *(["shelved", "unshelved"] if n % 2 == 0 else [])}, name
        assert (len(_alert(sink, name).actions), _alert(sink, name).state) == (len(kinds), "cleared")
    for store in stores:
        store.close()


def test_a_shelf_that_ended_untold_is_told_before_it_is_shelved_anew(store: Store) -> None:
    store.write([alert("a", 0)], [])
    until = datetime.now(UTC) + timedelta(milliseconds=50)
    _shelve(store, until)
    while datetime.now(UTC) <= until:
        threading.Event().wait(0.01)
    assert [one.kind for one in _shelve(store).actions] == ["shelved", "unshelved", "shelved"]
    assert store.end_shelvings() == 0


def test_retention_takes_what_people_did_with_its_alert(store: Store) -> None:
    store.write([alert("a", 0, state="cleared")], [])
    store.act("a", _asked("commented"))
    store.forget(Ages(alerts=1))
    assert _shown(store) == []


class Handling(RuleBasedStateMachine):
    """One failure mode of one asset; the machine raises and clears, people act, and everything may be said again."""

    store: Store
    clear: Callable[[], None]

    @initialize()
    def begin(self) -> None:
        type(self).clear()
        self.alerts: list[str] = []
        self.sequence: dict[str, int] = {}
        self.machine: dict[str, str] = {}
        self.closed: set[str] = set()
        self.until: datetime | None = None
        self.assignee: dict[str, str | None] = {}
        self.count: dict[str, int] = {}
        self.last: dict[str, ActionRequest] = {}
        self.said: tuple[str, ActionRequest] | None = None

    def _tell(self, alert_id: str, state: str, severity: str = "warning") -> None:
        self.sequence[alert_id] = self.sequence.get(alert_id, -1) + 1
        self.machine[alert_id] = state
        number = self.sequence[alert_id]
        event = alert(alert_id, number, 10 * len(self.alerts) + number, state=state, severity=severity)
        self.store.write([event], [])
        self.store.write([event], [])

    @rule()
    def rise(self) -> None:
        if not self.alerts or self.machine[self.alerts[-1]] == "cleared" or self.alerts[-1] in self.closed:
            self.alerts.append(f"a{len(self.alerts)}")
        self._tell(self.alerts[-1], "raised", "critical" if self.sequence.get(self.alerts[-1]) else "warning")

    @precondition(lambda self: self.alerts)
    @rule()
    def recover(self) -> None:
        self._tell(self.alerts[-1], "cleared")

    def _is_open(self, alert_id: str) -> bool:
        return self.machine[alert_id] == "raised" and alert_id not in self.closed

    def _act(self, alert_id: str, asked: ActionRequest, *, changes: bool, needs_open: bool = False) -> None:
        if needs_open and not self._is_open(alert_id) and changes:
            with pytest.raises(NotOpenError):
                self.store.act(alert_id, asked)
            return
        self.store.act(alert_id, asked)
        self.said = alert_id, asked
        if changes:
            self.count[alert_id] = self.count.get(alert_id, 0) + 1
            self.last[alert_id] = asked

    @precondition(lambda self: self.alerts)
    @rule(data=st.data(), hours=st.integers(1, 3))
    def shelve(self, data: st.DataObject, hours: int) -> None:
        which = data.draw(st.sampled_from(self.alerts))
        until = at(0).replace(year=2100) + timedelta(hours=hours)
        is_open = self._is_open(which)
        self._act(which, _asked("shelved", until=until), changes=self.until != until, needs_open=True)
        if is_open:
            self.until = until

    @precondition(lambda self: self.alerts)
    @rule(data=st.data())
    def unshelve(self, data: st.DataObject) -> None:
        which = data.draw(st.sampled_from(self.alerts))
        self._act(which, _asked("unshelved"), changes=self.until is not None)
        self.until = None

    @precondition(lambda self: self.alerts)
    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        which = data.draw(st.sampled_from(self.alerts))
        is_open = self._is_open(which)
        self._act(which, _asked("closed"), changes=which not in self.closed, needs_open=True)
        if is_open:
            self.closed.add(which)

    @precondition(lambda self: self.alerts)
    @rule(data=st.data(), to=st.sampled_from(["al", "bo", None]))
    def assign(self, data: st.DataObject, to: str | None) -> None:
        which = data.draw(st.sampled_from(self.alerts))
        self._act(which, _asked("assigned", assignee=to), changes=self.assignee.get(which) != to)
        self.assignee[which] = to

    @precondition(lambda self: self.alerts)
    @rule(data=st.data(), note=st.sampled_from(["x", "y"]))
    def comment(self, data: st.DataObject, note: str) -> None:
        which = data.draw(st.sampled_from(self.alerts))
        asked = _asked("commented", note=note)
        self._act(which, asked, changes=self.last.get(which) != asked)

    @precondition(lambda self: self.said is not None)
    @rule()
    def repeat(self) -> None:
        """The answer was lost: the same request at once again."""
        assert self.said is not None
        self.store.act(*self.said)

    @invariant()
    def holds(self) -> None:
        for which in self.alerts:
            found = _alert(self.store, which)
            assert found.state == ("raised" if self._is_open(which) else "cleared")
            assert (found.closing is not None) == (which in self.closed)
            assert (found.shelving and found.shelving.until) == (self.until if self._is_open(which) else None)
            assert found.assignee == self.assignee.get(which)
            assert len(found.actions) == self.count.get(which, 0)
            assert [one.sequence for one in found.transitions] == list(range(self.sequence[which] + 1))


@pytest.fixture
def handling(store: Store) -> type[Handling]:
    def clear() -> None:
        with transaction(store._writing) as connection:
            for table in ("alert_actions", "acknowledgements", "alert_transitions", "alerts", "shelvings", "assets"):
                connection.execute(text(f"delete from {table}"))

    return type(f"Handling{uuid.uuid4().hex[:6]}", (Handling,), {"store": store, "clear": staticmethod(clear)})


def test_no_step_is_illegal_lost_or_doubled(handling: type[Handling]) -> None:
    run_state_machine_as_test(handling, settings=settings(max_examples=12, stateful_step_count=20, deadline=None))
