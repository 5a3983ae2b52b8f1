"""What a key that is taken away still sees: nothing."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from api import make_key
from console import install
from schemas import Settings
from storage import Store
from tests.api.conftest import serving
from tests.support.decisions import alert

MANY = 30  # lines; a stream that goes on has more


@pytest.mark.parametrize("path", ["/live/stream", "/v1/alerts/stream"])
def test_a_stream_ends_with_its_key(sqlite_url: str, store: Store, tmp_path: Path, path: str) -> None:
    key = make_key(tmp_path / "keys", "gone", "read")
    own = Settings(home=tmp_path, database_url=sqlite_url, api_port=0, api_keys_file=tmp_path / "keys")
    asked = {"Authorization": f"Bearer {key}"}
    with serving(own, extend=install) as client, client.stream("GET", path, headers=asked) as answer:
        assert answer.status_code == 200
        lines = answer.iter_lines()
        next(lines)
        (tmp_path / "keys").write_text("# nobody\n")
        store.write([alert("late", 0, 99, asset_id="p1")], [])
        told = list(itertools.islice(lines, MANY))
        assert len(told) < MANY
        assert not [line for line in told if "late" in line]
