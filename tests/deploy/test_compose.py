"""docker-compose.yml as processes, where no Docker engine is at hand: an event goes in, its decision comes out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from tests.deploy.compose import Stack, until
from tests.support.databases import postgres
from tests.support.postgres import Postgres

__all__ = ["postgres"]
pytestmark = [pytest.mark.kafka, pytest.mark.long]


def test_what_compose_says_takes_an_event_and_serves_its_decision(tmp_path: Path, postgres: Postgres) -> None:
    stack = Stack(tmp_path, postgres)
    made = subprocess.run(
        [sys.executable, "-m", "millrace", "api-key", "tester"],
        env=stack.environment("api"), capture_output=True, text=True, check=True,
    )  # fmt: skip
    key = made.stdout.split()[-1]
    with stack.up():
        assert stack.started.index("topics") < stack.started.index("edge")
        assert max(map(stack.started.index, ("topics", "migrate"))) < stack.started.index("sink")
        [published] = stack.services["kafka"]["ports"]
        host, port, _ = published.split(":")
        assert host == "127.0.0.1"
        outside = {name: value for name, value in os.environ.items() if not name.startswith("MILLRACE_")}
        outside |= {"MILLRACE_KAFKA": f"127.0.0.1:{stack.port('kafka', port)}", "MILLRACE_HOME": str(tmp_path / "host")}
        click = ["click", "--user", "ann", "--item", "i2", "--wait", "60", "--json"]
        for arguments in (["item", "--item", "i1"], click):
            sent = subprocess.run(
                [sys.executable, "-m", "millrace", "send", *arguments],
                env=outside, cwd=tmp_path, capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert sent.returncode == 0, sent.stderr + stack.log("edge")
        [decision] = json.loads(sent.stdout)["decisions"]
        api = f"http://127.0.0.1:{stack.port('api', '8000')}/v1/users/ann/recommendations"

        def served() -> bool:
            answer = httpx2.get(api, headers={"Authorization": f"Bearer {key}"})
            return answer.is_success and answer.json()["recommendation_id"] == decision["event"]["recommendation_id"]

        until(served, 30, lambda: stack.log("sink") + stack.log("api"))
        assert httpx2.get(api).status_code == 401
