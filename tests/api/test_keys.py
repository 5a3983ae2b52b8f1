"""Keys open what their scope says; without keys the API serves this machine only."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from api import KeysError, build_api, is_own_origin, make_key
from api.keys import KeyFile, is_loopback
from schemas import Settings, SettingsError
from tests.api.conftest import serving


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_scopes(sqlite_url: str, tmp_path: Path) -> None:
    path = tmp_path / "keys"
    keys = {scope: make_key(path, f"a-{scope}", scope) for scope in ("read", "operate", "admin")}
    settings = Settings(home=tmp_path, database_url=sqlite_url, api_port=0, api_host="0.0.0.0", api_keys_file=path)
    acknowledge = "/v1/alerts/none/acknowledge"
    with serving(settings) as client:
        for path_of_data in ("/v1/alerts", "/v1/alerts/stream", "/v1/models", "/v1/nobody"):
            refused = client.get(path_of_data)
            assert refused.status_code == (404 if path_of_data == "/v1/nobody" else 401)
        refused = client.get("/v1/alerts", headers=_bearer("mr_guess"))
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert refused.json()["type"] == "/problems/unauthorized"
        assert client.get("/v1/alerts", headers={"Authorization": "Basic x"}).status_code == 401
        assert {client.get("/v1/alerts", headers=_bearer(k)).status_code for k in keys.values()} == {200}
        assert client.post(acknowledge, headers=_bearer(keys["read"]), json={"by": "jo"}).status_code == 403
        write = make_key(path, "a-producer", "write")
        for method, address, needed in (
            ("POST", "/v1/dead-letters/replay", "operate"), ("POST", acknowledge, "operate"),
            ("GET", "/v1/alerts", "read"),
            ("DELETE", "/v1/users/ann", "admin"), ("POST", "/v1/rank", "read"),
        ):  # fmt: skip
            refused = client.request(method, address, headers=_bearer(write), json={"topic": "clicks.v1"})
            assert (refused.status_code, refused.json()["detail"]) == (
                403, f"The key a-producer has the scope write; this needs {needed}."
            )  # fmt: skip
        for scope in ("operate", "admin"):
            assert client.post(acknowledge, headers=_bearer(keys[scope]), json={"by": "jo"}).status_code == 404
        for open_path in ("/livez", "/readyz", "/openapi.json", "/asyncapi.json"):
            assert client.get(open_path).status_code == 200
        assert client.get("/metrics").status_code == 401
        assert client.get("/metrics", headers=_bearer(keys["read"])).status_code == 200
        assert client.get("/v1/alerts", headers=_bearer(keys["read"]) | {"Host": "edge.example"}).status_code == 200


def test_a_removed_key_counts_no_more(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    first, second = make_key(path, "first", "read"), make_key(path, "second", "operate")
    keys = KeyFile(path)
    found = keys.find(second)
    assert found is not None
    assert (found.name, found.allows("read"), found.allows("operate"), found.allows("admin")) == (
        "second", True, True, False,
    )  # fmt: skip
    lines = path.read_text().splitlines()
    path.write_text(f"# a comment\n\n{lines[1]}\n")
    assert keys.find(first) is None
    assert keys.find(second) is not None


def test_only_hashes_are_kept_and_only_for_the_owner(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    key = make_key(path, "console", "read")
    assert len(key) > 40
    assert key not in path.read_text()
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("text", "detail"),
    [("", "has no key"), ("# none\n", "has no key"), ("console read\n", "line 1"), ("a root sha256:00\n", "line 1")],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path, text: str, detail: str) -> None:
    (tmp_path / "keys").write_text(text)
    with pytest.raises(KeysError, match=detail):
        build_api(Settings(home=tmp_path, api_keys_file=tmp_path / "keys"))


def test_a_missing_file_and_bad_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(KeysError, match="cannot be read"):
        build_api(Settings(home=tmp_path, api_keys_file=tmp_path / "none"))
    with pytest.raises(KeysError, match="cannot name a key"):
        make_key(tmp_path / "keys", "two words", "read")
    make_key(tmp_path / "keys", "twice", "read")
    with pytest.raises(KeysError, match="already"):
        make_key(tmp_path / "keys", "twice", "read")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "edge.example"])
def test_without_keys_other_addresses_are_refused(tmp_path: Path, host: str) -> None:
    with pytest.raises(SettingsError, match="millrace api-key"):
        build_api(Settings(home=tmp_path, api_host=host))


def test_without_keys_other_host_names_are_refused(shared_client: httpx2.Client) -> None:
    for host, status in (("evil.example", 421), ("localhost:1", 200), ("127.0.0.1", 200), ("[::1]", 200)):
        assert shared_client.get("/v1/assets", headers={"Host": host}).status_code == status


def test_loopback() -> None:
    assert all(is_loopback(host) for host in ("127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost"))
    assert not any(is_loopback(host) for host in ("0.0.0.0", "::", "10.0.0.1", "localhost.evil.example", ""))


@pytest.mark.parametrize("path", ["/v1/events", "/v1/alerts/none/acknowledge", "/v1/rank", "/v1/dead-letters/replay"])
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://127.0.0.1@evil"])
def test_pages_of_other_servers_change_nothing(shared_client: httpx2.Client, path: str, origin: str) -> None:
    """A form or plain text needs no preflight: a browser sends it from any page."""
    refused = shared_client.post(path, headers={"Origin": origin, "Content-Type": "text/plain"}, content="[]")
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/other-origin")
    assert origin in refused.json()["detail"]
    assert "MILLRACE_API_CORS_ORIGINS" in refused.json()["detail"]
    assert shared_client.get("/v1/alerts", headers={"Origin": origin}).status_code == 200
    own = f"http://{shared_client.base_url.netloc.decode()}"
    for headers in ({}, {"Origin": own}):
        assert shared_client.post(path, headers=headers, content="[]").status_code != 403


def test_pages_of_the_origins_of_the_setting_may_change_something(sqlite_url: str, tmp_path: Path) -> None:
    for origins, status in (("https://shop.example", 404), ("*", 404), ("https://b.example", 403)):
        settings = Settings(home=tmp_path, database_url=sqlite_url, api_port=0, api_cors_origins=origins)
        with serving(settings) as client:
            headers = {"Origin": "https://shop.example"}
            acknowledged = client.post("/v1/alerts/none/acknowledge", headers=headers, json={"by": "jo"})
            assert acknowledged.status_code == status


def test_own_origins() -> None:
    assert is_own_origin("https://edge.example", "edge.example")  # a proxy speaks TLS
    assert is_own_origin("http://Localhost:8000", "localhost:8000")
    for origin, host in (("null", ""), ("null", None), ("http://a", "a:80"), ("http://a.evil", "a")):
        assert not is_own_origin(origin, host)
