"""A state machine of alerts, people, channels that are away and time: nothing is lost, nothing above the limit."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from notify.items import RANK, Item
from notify.words import notification_of
from storage import Place
from tests.notify.helpers import Person, rules_of

SITES = (None, "north", "south")
SEVERITIES = ("advisory", "warning", "critical")
ASSETS = st.integers(0, 11)
SECONDS = st.sampled_from([0, 1, 9, 10, 11, 60, 299, 300, 601, 3600, 3 * 3600])
CHANNELS = st.fixed_dictionaries({
    "most": st.integers(1, 10), "group_wait_s": st.sampled_from([0, 10]),
    "group_interval_s": st.sampled_from([0, 300]), "repeat_h": st.sampled_from([0, 1]), "resolved": st.booleans(),
    "parent_from": st.integers(2, 6), "group_by": st.sampled_from([["site", "asset"], ["asset"], ["site"], []]),
    "quiet": st.sampled_from([[], [{"from": "13:00", "to": "15:00"}], [{"from": "22:00", "to": "11:59"}]]),
    "critical_breaks_quiet": st.booleans(),
})  # fmt: skip


WHEN = st.sampled_from([[], [{"from": "06:00", "to": "12:30"}], [{"from": "14:00", "to": "15:00"}]])


class Told:
    """What a person knows of an alert from what came on the channel."""

    def __init__(self) -> None:
        self.severity: str | None = None
        self.is_over = False


class Alarms(RuleBasedStateMachine):
    @initialize(channel=CHANNELS, when=WHEN, site=st.sampled_from([[], ["south"]]))
    def begin(self, channel: dict[str, Any], when: list[dict[str, str]], site: list[str]) -> None:
        self.person, self.sites = Person(rules_of({"when": when, "site": site}, **channel)), site
        self.may_pass = bool(when or site)
        self.numbers, self.of_asset = 0, dict[int, int]()
        self.severity, self.is_open = dict[str, str](), dict[str, bool]()
        self.heard, self.asset = dict[str, Told](), dict[str, str]()
        self.was_shelved, self.names = set[str](), defaultdict[int, set[str]](set)

    def _look(self, seconds: float, *, waits: bool = False) -> None:
        plan = self.person.after(seconds, waits=waits)
        assert not (waits and plan.groups)
        for group in plan.groups:
            assert group.news
            notification = notification_of(self.person.channel, group, self.person.now, "x", None)
            assert len(notification.alerts) + notification.more == len(group.news)
            for item in group.news:
                self._hear(item, is_repeat=group.is_repeat)

    def _hear(self, item: Item, *, is_repeat: bool) -> None:
        until = self.person.shelved.get(item.mode)
        assert until is None or until <= self.person.now, "it was shelved"
        told = self.heard.setdefault(item.alert_id, Told())
        assert not told.is_over, "what is over was told as over before"
        told.severity = max((told.severity, item.severity), key=lambda name: RANK[name])
        told.is_over = not item.is_open
        if is_repeat:
            assert not item.acknowledged

    @rule(asset=ASSETS, severity=st.sampled_from(SEVERITIES))
    def rise(self, asset: int, severity: str) -> None:
        """An alert of the asset is raised, or its severity changes."""
        if asset not in self.of_asset:
            self.numbers += 1
            self.of_asset[asset] = self.numbers
        name = f"a{self.of_asset[asset]}"
        self.person.raised(self.of_asset[asset], SITES[asset % 3], severity, asset_id=f"p{asset}")
        self.severity[name] = severity
        self.names[asset].add(name)
        self.asset[name] = f"p{asset}"
        self.is_open[name] = True
        if ("pump", f"p{asset}", "wear") in self.person.shelved:
            self.was_shelved.add(name)

    @rule(asset=ASSETS, by_hand=st.booleans())
    def clear(self, asset: int, by_hand: bool) -> None:
        number = self.of_asset.pop(asset, None)
        if number is not None:
            if by_hand:
                self.person.acts(number, "closed", reason="why")
            else:
                self.person.cleared(number, self.person.places["pump", f"p{asset}"].site, asset_id=f"p{asset}")
            self.is_open[f"a{number}"] = False

    @rule(asset=ASSETS)
    def acknowledge(self, asset: int) -> None:
        if asset in self.of_asset:
            self.person.acts(self.of_asset[asset], "acknowledged")

    @rule(asset=ASSETS, hours=st.integers(1, 5))
    def shelve(self, asset: int, hours: int) -> None:
        self.person.shelved["pump", f"p{asset}", "wear"] = self.person.now + timedelta(hours=hours)
        self.was_shelved |= self.names[asset]

    @rule(asset=ASSETS, site=st.sampled_from(SITES))
    def move(self, asset: int, site: str | None) -> None:
        self.person.places["pump", f"p{asset}"] = Place(site)

    @rule(seconds=SECONDS, waits=st.booleans())
    def pass_time(self, seconds: float, waits: bool) -> None:
        self._look(seconds, waits=waits)

    @rule(seconds=st.integers(1, 30), turns=st.integers(1, 40))
    def be_busy(self, seconds: int, turns: int) -> None:
        for turn in range(turns):
            self.rise((turn * 7) % 12, SEVERITIES[turn % 3])
            if turn % 5 == 0:
                self.clear(turn % 12, by_hand=False)
            self._look(seconds)

    @invariant()
    def never_above_the_limit(self) -> None:
        if hasattr(self, "person"):
            sent, most = self.person.sent, self.person.channel.most
            assert all(later - at >= timedelta(minutes=10) for at, later in zip(sent, sent[most:], strict=False))

    def teardown(self) -> None:
        """Given time, everything is told as it is; what was shelved to its end aside."""
        if not hasattr(self, "person"):
            return
        self.person.shelved.clear()
        for turn in range(200):
            self._look(660)
            is_day_over = turn * 660 > 86_400 or not self.person.waiting
            if is_day_over and not any(item.news_at for item in self.person.items.values()):
                break
        for name, severity in self.severity.items():
            told = self.heard.get(name)
            if told is None:
                place = self.person.places["pump", self.asset[name]]
                never_fits = bool(self.sites) and place.site not in self.sites
                assert name in self.was_shelved or self.may_pass, f"{name} was never told"
                assert not self.is_open[name] or never_fits
                continue
            if self.is_open[name]:
                assert RANK[told.severity] >= RANK[severity]
            elif self.person.channel.resolved:
                assert told.is_over, f"nobody was told that {name} is over"
        for _ in range(3):
            self._look(3600)
        kept = set(self.person.items) | set(self.person.waiting)
        assert kept == {name for name, is_open in self.is_open.items() if is_open}, "what is over is forgotten"


TestNothingIsLost = Alarms.TestCase
TestNothingIsLost.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
