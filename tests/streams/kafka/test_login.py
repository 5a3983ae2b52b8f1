"""Login to a real broker: by certificate, password and token; and what is said where it cannot be."""

from __future__ import annotations

import base64
import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from millrace.kafka import Broker, free_port
from millrace.kafka import broker as broker_module
from schemas import CLICKS, Settings, SettingsError, UnavailableError
from streams.kafka import answering, cluster
from streams.kafka.clients import client_options
from tests.support.kafka import consume, create_topics, produce

ZOE = {"kafka_sasl_username": "zoe", "kafka_sasl_password": "hush, hush"}
JAAS = "org.apache.kafka.common.security"


def certificate(folder: Path, name: str, authority: tuple[Any, Any] | None = None) -> tuple[Any, Any]:
    """`name.pem` with an encrypted key (password `open`) and a certificate for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    issuer, signer = (subject, key) if authority is None else (authority[0].subject, authority[1])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject).issuer_name(issuer).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )  # fmt: skip
    text = made.public_bytes(serialization.Encoding.PEM)
    secret = serialization.BestAvailableEncryption(b"open")
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret)
    (folder / f"{name}.pem").write_bytes(private + text)
    (folder / f"{name}.crt").write_bytes(text)
    return made, key


def token(life_s: float = 600) -> str:
    """A JWT without signature, which a broker takes that is not told of an issuer."""
    now = int(time.time())
    parts = [{"alg": "none"}, {"sub": "millrace", "iat": now, "exp": now + int(life_s)}]
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A broker with a listener that asks for a certificate, and one that asks for a login."""
    folder = tmp_path_factory.mktemp("secured")
    authority = certificate(folder, "authority")
    for name in ("broker", "client"):
        certificate(folder, name, authority)
    tls, login = free_port(), free_port()
    plain = broker_module.broker_properties

    def properties(*arguments: Any) -> dict[str, object]:
        found = plain(*arguments)
        more = f",TLS://127.0.0.1:{tls},LOGIN://127.0.0.1:{login}"
        users = 'user_ann="secret" username="ann" password="secret"'
        return found | {
            "listeners": f"{found['listeners']}{more}",
            "advertised.listeners": f"{found['advertised.listeners']}{more}",
            "listener.security.protocol.map":
                f"{found['listener.security.protocol.map']},TLS:SSL,LOGIN:SASL_PLAINTEXT",
            "ssl.keystore.type": "PEM", "ssl.keystore.location": folder / "broker.pem", "ssl.key.password": "open",
            "ssl.truststore.type": "PEM", "ssl.truststore.location": folder / "authority.crt",
            "listener.name.tls.ssl.client.auth": "required",
            "listener.name.login.sasl.enabled.mechanisms": "PLAIN,OAUTHBEARER,SCRAM-SHA-256,SCRAM-SHA-512",
            **{f"listener.name.login.scram-sha-{bits}.sasl.jaas.config": f"{JAAS}.scram.ScramLoginModule required;"
               for bits in (256, 512)},
            "listener.name.login.plain.sasl.jaas.config": f"{JAAS}.plain.PlainLoginModule required {users};",
            "listener.name.login.oauthbearer.sasl.jaas.config":
                f'{JAAS}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";',
        }  # fmt: skip

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(broker_module, "broker_properties", properties)
        with Broker(folder / "kafka") as broker:
            _give_passwords(broker.bootstrap)
            yield {"folder": folder, "tls": f"127.0.0.1:{tls}", "login": f"127.0.0.1:{login}"}


def _give_passwords(bootstrap: str) -> None:
    """Those of SCRAM lie in the cluster, salted; aiokafka cannot put them there."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
        given = UserScramCredentialUpsertion("zoe", ScramCredentialInfo(mechanism, 4096), b"hush, hush")
        for done in admin.alter_user_scram_credentials([given]).values():
            done.result(30)


@pytest.mark.kafka
@pytest.mark.long
async def test_a_certificate_a_password_and_tokens_open_the_broker(secured: dict[str, Any], tmp_path: Path) -> None:
    folder = secured["folder"]
    (tmp_path / "token").write_text(token() + "\n")
    print_token = f"{sys.executable} -c \"print(open('{tmp_path / 'token'}').read())\""
    by_tls = {
        "kafka": secured["tls"], "kafka_security_protocol": "SSL", "kafka_ca_file": folder / "authority.crt",
        "kafka_client_cert_file": folder / "client.pem", "kafka_client_key_password": "open",
    }  # fmt: skip
    by_login = {"kafka": secured["login"], "kafka_security_protocol": "SASL_PLAINTEXT"}
    oauth = by_login | {"kafka_sasl_mechanism": "OAUTHBEARER"}
    ways: list[dict[str, Any]] = [
        by_tls,
        by_login | {"kafka_sasl_mechanism": "PLAIN", "kafka_sasl_username": "ann", "kafka_sasl_password": "secret"},
        *(by_login | ZOE | {"kafka_sasl_mechanism": f"SCRAM-SHA-{bits}"} for bits in (256, 512)),
        oauth | {"kafka_oauth_token_file": tmp_path / "token"},
        oauth | {"kafka_oauth_token_command": print_token},
    ]
    for number, way in enumerate(ways, 1):
        settings = Settings(home=tmp_path, partitions=1, **way)
        if number == 1:
            await create_topics(settings, CLICKS)
        await produce(settings, CLICKS, [("u", b"%d" % number)])
        records = await consume(settings, CLICKS, until=number)
        assert records[-1].value == b"%d" % number
    stranger = Settings(home=tmp_path, **(by_tls | {"kafka_client_cert_file": None}))
    wrong = Settings(home=tmp_path, **(ways[1] | {"kafka_sasl_password": "wrong"}))
    hushed = Settings(home=tmp_path, **(ways[3] | {"kafka_sasl_password": "hush"}))
    for refused in (stranger, wrong, hushed):
        with pytest.raises(UnavailableError), answering(refused):
            await cluster(refused)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"kafka_security_protocol": "SSL", "kafka_ca_file": "none.pem"}, "MILLRACE_KAFKA_CA_FILE=none.pem"),
        ({"kafka_security_protocol": "SSL", "kafka_client_cert_file": "none.pem"}, "CLIENT_CERT_FILE=none.pem"),
        ({"kafka_sasl_mechanism": "OAUTHBEARER"}, "and has none"),
        (
            {"kafka_sasl_mechanism": "OAUTHBEARER", "kafka_oauth_token_file": "t", "kafka_oauth_token_command": "c"},
            "both",
        ),
        ({"kafka_sasl_mechanism": "GSSAPI"}, "needs the package gssapi"),
    ],
)
def test_what_a_login_lacks_is_told(given: dict[str, Any], said: str) -> None:
    settings = Settings(**({"kafka": "127.0.0.1:1", "kafka_security_protocol": "SASL_SSL"} | given))
    with pytest.raises(SettingsError, match=said):
        client_options(settings)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("/no/such/program", "cannot run"),
        (f"{sys.executable} -c 'import sys; sys.exit(\"denied\")'", "ended with 1: denied"),
        (f"{sys.executable} -c ''", "is empty"),
        ("echo two words", "more than one word"),
    ],
)
async def test_a_command_that_gives_no_token_is_told(command: str, said: str) -> None:
    settings = Settings(
        kafka="127.0.0.1:1", kafka_security_protocol="SASL_PLAINTEXT", kafka_sasl_mechanism="OAUTHBEARER",
        kafka_oauth_token_command=command,
    )  # fmt: skip
    with pytest.raises(UnavailableError, match=said):
        await client_options(settings)["sasl_oauth_token_provider"].token()
