"""docker-compose.yml, Dockerfile and deploy/ say the same as the code: settings, commands, versions, metrics, files."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
OURS = {name: service for name, service in COMPOSE["services"].items() if "build" in service}


def test_every_variable_is_a_setting_that_takes_its_value() -> None:
    from schemas import Settings

    for service in OURS.values():
        variables = {
            key.removeprefix("MILLRACE_").lower(): re.sub(r"^\$\{\w+:-(.*)\}$", r"\1", value)  # as Compose does
            for key, value in service["environment"].items()
        }
        assert all(key.startswith("MILLRACE_") for key in service["environment"])
        assert set(variables) <= set(Settings.model_fields)
        settings = Settings.model_validate(variables)
        assert settings.kafka == "kafka:9092"
        assert settings.database().startswith("postgresql+psycopg://")


@pytest.mark.parametrize("name", OURS)
def test_every_command_is_one_of_the_command_line(name: str) -> None:
    from millrace.cli import app

    result = CliRunner().invoke(app, [*OURS[name]["command"], "--help"])
    assert result.exit_code == 0, result.output


def test_services_wait_for_what_they_need() -> None:
    services = COMPOSE["services"]
    for name, service in services.items():
        needs = service.get("depends_on", {})
        for need, condition in needs.items() if isinstance(needs, dict) else []:
            assert need in services
            if condition["condition"] == "service_healthy":
                assert "healthcheck" in services[need], f"{name} waits for the health of {need}, which has no check"
            else:
                assert services[need]["restart"] == "no", f"{name} waits for {need} to complete"
    assert set(OURS["sink"]["depends_on"]) == {"topics", "migrate"}
    assert set(OURS["edge"]["depends_on"]) == {"topics"}


def test_ports_are_published_on_loopback_only() -> None:
    for service in COMPOSE["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_mounted_files_are_there() -> None:
    for service in COMPOSE["services"].values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (ROOT / source).is_file() if source.startswith("./") else source in COMPOSE["volumes"]
    assert all((ROOT / secret["file"]).is_file() for secret in COMPOSE["secrets"].values())


def test_kafka_has_the_version_of_the_embedded_one() -> None:
    lock = (ROOT / "millrace" / "kafka" / "kafka.lock").read_text()
    version = re.search(r"^org\.apache\.kafka:kafka_2\.13:(\S+) ", lock, re.MULTILINE)
    assert version is not None
    assert COMPOSE["services"]["kafka"]["image"] == f"apache/kafka:{version[1]}"


def test_dockerfile_fits_the_project() -> None:
    text = (ROOT / "Dockerfile").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    versions = set(re.findall(r"^FROM python:(\d+\.\d+)-slim", text, re.MULTILINE))
    assert len(versions) == 1
    low, high = re.findall(r"\d+\.(\d+)", project["requires-python"])
    assert int(low) <= int(versions.pop().split(".")[1]) < int(high)
    assert re.search(r"^USER millrace$", text, re.MULTILINE)
    assert 'ENTRYPOINT ["millrace"]' in text
    assert "millrace" in project["scripts"]
    uv = re.search(r"uv==([\d.]+)", text)
    assert uv is not None
    assert f"UV_VERSION := {uv[1]}" in (ROOT / "Makefile").read_text()


RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text())["groups"] for rule in group["rules"]
]


def test_every_alert_has_a_severity_and_a_run_book() -> None:
    page = (ROOT / "docs" / "runbooks.md").read_text()
    anchors = {
        title.lower().replace(" ", "-"): text for title, text in re.findall(r"^## (.*)\n+(.*)", page, re.MULTILINE)
    }
    assert len(anchors) == len(RULES)
    for rule in RULES:
        severity, runbook = rule["labels"]["severity"], rule["annotations"]["runbook"]
        assert severity in {"critical", "warning"}
        assert runbook.startswith("docs/runbooks.md#")
        assert anchors[runbook.partition("#")[2]].startswith(f"`{rule['alert']}`, {severity}.")


def test_every_alert_is_raised_by_its_fault_and_by_nothing_else() -> None:
    cases = ROOT / "tests" / "deploy" / "alerts_test.yml"
    tried = {
        case["alertname"]
        for test in yaml.safe_load(cases.read_text())["tests"]
        for case in test.get("alert_rule_test", [])
    }
    assert tried == {rule["alert"] for rule in RULES}
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian has it in the package prometheus)")
    done = subprocess.run([promtool, "test", "rules", cases], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_dashboards_and_alert_rules_ask_for_metrics_that_exist() -> None:
    from millrace.reference import reference

    known = set(re.findall(r"`(millrace_\w+)`", reference()))
    rules = yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text())
    asked = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    dashboard = json.loads((ROOT / "deploy" / "grafana" / "millrace.json").read_text())
    asked += [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    for name in re.findall(r"millrace_\w+", " ".join(asked)):
        assert re.sub(r"_(bucket|count|sum)$", "", name) in known, name
