"""The file of rules: what is wrong is said with the rule, the value and what to do; no secret is ever shown."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from millrace.cli import app, run
from millrace.service.doctor import _notifications
from notify import load_rules
from schemas import NotificationRules, Settings, SettingsError, load_settings, parse_notification_rules
from tests.notify.receivers import SECRET, mailing, receiving, says

ROOT = Path(__file__).parents[2]
GOOD = """
console = "https://console.example"

[[channel]]
name = "mechanics"
url = "mailto://${MAIL_USER}:${MAIL_PASSWORD}@127.0.0.1:%d?from=m@example.com&to=jo@example.com&mode=insecure"
quiet = [{from = "22:00", to = "06:00", zone = "Europe/Berlin", days = ["sat", "sun"]}]

[[channel]]
name = "hook"
webhook = "%s"
secret = "${HOOK_SECRET}"

[[rule]]
name = "all of the north"
channels = ["mechanics", "hook"]
site = ["north"]
severity = "warning"
"""
SLACK = {"SLACK_TOKEN_A": "T1JJ3T3L2", "SLACK_TOKEN_B": "A1BRTD4JD", "SLACK_TOKEN_C": "TIiajkdnlazkcOXrIdevi7FQ"}
CHANNEL = '[[channel]]\nname = "c"\nurl = "json://x"\n'
RULE = '[[rule]]\nname = "r"\nchannels = ["c"]\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[channel", "is not TOML"),
        ("chanel = 1", "chanel: is not known here (did you mean channel?), and there are"),
        (CHANNEL + RULE.replace("[[rule]]", "[[rules]]"), "rules: is not known here (did you mean rule?), and there"),
        (CHANNEL + "hook = 1\n" + RULE, "channel 'c', hook: is not known here (did you mean webhook?), and"),
        (CHANNEL + 'quiet = [{until = "x"}]\n' + RULE, "quiet.0.until: is not known here, and there are days, from, "),
        ("", "there is no [[channel]], so nobody would be told"),
        ('console = "foo"\n' + CHANNEL + RULE, "console: must be an address such as https://host/path"),
        (CHANNEL + "repeat_h = nan\n" + RULE, "channel 'c', repeat_h: must be a finite number"),
        (CHANNEL + RULE + 'kind = ["machin"]', "rule 'r', kind: 'machin': must be 'machine' or 'data'"),
        (CHANNEL + 'quiet = [{from = "06:00", to = "06:00"}]\n' + RULE, "quiet.0: `from` and `to` are both 06:00; for"),
        (CHANNEL + 'quiet = [{to = "00:00"}]\n' + RULE, "quiet.0: `from` and `to` are both 00:00"),
        (CHANNEL, "no rule names the channel 'c'"), (CHANNEL + CHANNEL + RULE, "two channels are named c"),
        (CHANNEL + RULE.replace('["c"]', '["d"]'), "rule 'r' names the channel 'd', and there is c"),
        (CHANNEL + RULE.replace('["c"]', "[]"), "rule 'r', channels: must not be empty"),
        (CHANNEL + RULE + 'severity = "bad"', "rule 'r', severity: must be 'advisory', 'warning' or 'critical'"),
        (CHANNEL + RULE + 'sites = ["x"]', "rule 'r', sites: is not known here (did you mean site?), and there are"),
        (CHANNEL + RULE + 'when = [{from = "25:00"}]', "rule 'r', when.0.from: '25:00' is no time of day such as"),
        (CHANNEL + RULE + 'when = [{zone = "Mars"}]', "rule 'r', when.0.zone: 'Mars' is no time zone such as Europe"),
        (CHANNEL + RULE + 'when = [{days = ["monday"]}]', "rule 'r', when.0.days: 'monday': must be 'mon', 'tue'"),
        (CHANNEL + "most = 0\n" + RULE, "channel 'c', most: must be 1 or more"),
        (CHANNEL + 'webhook = "http://x"\n' + RULE, "channel 'c': either `url` (of apprise) or `webhook`"),
        ('[[channel]]\nname = "c"\nwebhook = "http://x"\n' + RULE, "channel 'c': a webhook needs a `secret`"),
        ('[[channel]]\nname = "c"\nwebhook = "ftp://x"\nsecret = "s"\n' + RULE, "webhook: must be an address such"),
        ('[[channel]]\nurl = "json://x"\n' + RULE, "channel number 1, name: is missing"),
        (CHANNEL + 'payload = "alertmanager"\n' + RULE, "`secret` and `payload` are of a webhook"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(text: str, words: str) -> None:
    with pytest.raises(SettingsError) as error:
        parse_notification_rules(text, Path("rules.toml"))
    assert words in error.value.detail
    assert error.value.detail.startswith("rules.toml")
    assert "docs/notifications.md" in error.value.advice


def test_json_says_the_same(tmp_path: Path) -> None:
    file = tmp_path / "rules.json"
    file.write_text(json.dumps({
        "channel": [{"name": "c", "url": "json://x"}], "rule": [{"name": "r", "channels": ["c"]}],
    }))  # fmt: skip
    assert load_rules(file) == parse_notification_rules(CHANNEL + RULE, Path("rules.toml"))
    file.write_text("{")
    with pytest.raises(SettingsError, match="is not JSON"):
        load_rules(file)
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        load_rules(tmp_path / "none")


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "rules.toml"
    monkeypatch.setenv("MILLRACE_NOTIFICATIONS_FILE", str(file))
    for name, value in (("MAIL_USER", "jo"), ("MAIL_PASSWORD", "hush-hush"), ("HOOK_SECRET", SECRET)):
        monkeypatch.setenv(name, value)
    return file


def test_the_command_checks_and_sends_a_test(told: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with receiving(says(404, body="gone"), says(503)) as receiver, mailing() as (mails, port):
        told.write_text(GOOD % (port, receiver.url))
        assert run(["notify", "check"]) == 0
        assert re.search(
            r"mechanics +E-Mail +all of the north\nhook +webhook at 127.0.0.1 +all", capsys.readouterr().out
        )
        assert (receiver.posts, mails.mails) == ([], [])
        assert run(["notify", "check", "--send-test", "hook"]) == 1
        shown = capsys.readouterr()
        assert "hook: answered 404: gone. Correct the channel" in " ".join(shown.err.split())
        assert run(["notify", "check", "--send-test", "hook"]) == 1
        assert "Trying again may help" in capsys.readouterr().err
        assert run(["notify", "check", "--send-test", "hook"]) == 0
        assert run(["notify", "check", "--send-test", "none", "--json"]) == 1
        shown = capsys.readouterr()
        assert "One of: mechanics, hook" in shown.err
        assert "hush" not in shown.out + shown.err
    result = CliRunner().invoke(app, ["worker", "--help"])
    assert "notify" in result.output


def test_a_secret_that_is_missing_is_named_and_none_is_shown(
    told: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told.write_text(GOOD % (25, "http://127.0.0.1/"))
    monkeypatch.delenv("HOOK_SECRET")
    for command in (["notify", "check"], ["worker", "--role", "notify"]):
        assert run(command) == 1
        shown = " ".join(capsys.readouterr().err.split())
        assert "Channel 'hook' refers to ${HOOK_SECRET}, and no environment variable HOOK_SECRET is set" in shown
        assert "hush" not in shown
    monkeypatch.delenv("MILLRACE_NOTIFICATIONS_FILE")
    assert run(["worker", "--role", "notify"]) == 1
    assert "MILLRACE_NOTIFICATIONS_FILE names no file of rules" in " ".join(capsys.readouterr().err.split())


def test_doctor_tells_of_the_channels(told: Path) -> None:
    told.write_text(GOOD % (25, "http://127.0.0.1/"))
    finding = _notifications(load_settings())
    assert finding.state == "ok"
    assert finding.detail.startswith("rules: all of the north; channels: mechanics (E-Mail), hook (webhook at 127")
    assert _notifications(Settings(notifications_file=None)).state == "note"
    told.write_text("x = 1")
    with pytest.raises(SettingsError, match="x: is not known here"):  # which `examine` turns into a finding
        _notifications(load_settings())


def test_the_examples_of_the_documents_can_be_used() -> None:
    text = (ROOT / "docs" / "notifications.md").read_text()
    from notify import build_sender

    examples = [block for block in re.findall(r"```toml\n(.*?)```", text, re.DOTALL) if "[[channel]]" in block]
    assert len(examples) >= 3
    for example in examples:
        rules = parse_notification_rules(example, Path("docs.toml"))
        assert isinstance(rules, NotificationRules)
        environment = dict.fromkeys(re.findall(r"\$\{(\w+)\}", example), SECRET) | SLACK
        for channel in rules.channels:
            assert build_sender(channel, rules.console, environment).service
