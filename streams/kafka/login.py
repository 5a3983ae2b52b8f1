"""Login: encryption, client certificates, and every SASL mechanism that aiokafka has, from settings.

Settings ─► TLS context │ user and password, Kerberos, OAuth tokens ─► arguments of the clients
"""

from __future__ import annotations

import asyncio
import shlex
import ssl
import time
from pathlib import Path
from typing import Any

import structlog
from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import AuthenticationFailedError

from schemas import Settings, SettingsError, UnavailableError

log = structlog.get_logger(__name__)
TOKEN_S = 10.0  # that a command may take
TOKEN_KEPT_S = 60.0  # tokens of a command live for some minutes at least; each client logs in several times


def login_options(settings: Settings) -> dict[str, Any]:
    """Keyword arguments of all aiokafka clients: how they are encrypted, and who they are.

    Raises:
        SettingsError: a file cannot be read, or a mechanism lacks what it needs.
    """
    protocol = settings.kafka_security_protocol
    options: dict[str, Any] = {"security_protocol": protocol}
    if protocol.endswith("SSL"):
        options["ssl_context"] = _context(settings)
    if protocol.startswith("SASL"):
        options |= {"sasl_mechanism": settings.kafka_sasl_mechanism} | _identity(settings)
    return options


def _context(settings: Settings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.kafka_ca_file)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"MILLRACE_KAFKA_CA_FILE={settings.kafka_ca_file} cannot be read: {error}.",
            "Name a PEM file with the certificates of the authority that signed the brokers' ones.",
        ) from error
    if settings.kafka_client_cert_file is None:
        return context
    password = settings.kafka_client_key_password.get_secret_value()
    try:  # without a password OpenSSL would ask for one at the terminal
        context.load_cert_chain(settings.kafka_client_cert_file, settings.kafka_client_key_file, password)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"MILLRACE_KAFKA_CLIENT_CERT_FILE={settings.kafka_client_cert_file} with MILLRACE_KAFKA_CLIENT_KEY_FILE="
            f"{settings.kafka_client_key_file or ''} cannot be used: {error}.",
            "Name PEM files of a certificate and its key (or one file with both); MILLRACE_KAFKA_CLIENT_KEY_PASSWORD "
            "opens an encrypted key.",
        ) from error
    return context


def _identity(settings: Settings) -> dict[str, Any]:
    mechanism = settings.kafka_sasl_mechanism
    if mechanism == "OAUTHBEARER":
        return {"sasl_oauth_token_provider": _token_provider(settings)}
    if mechanism == "GSSAPI":
        _check_kerberos()
        return {
            "sasl_kerberos_service_name": settings.kafka_kerberos_service,
            "sasl_kerberos_domain_name": settings.kafka_kerberos_domain or None,
        }
    return {
        "sasl_plain_username": settings.kafka_sasl_username,
        "sasl_plain_password": settings.kafka_sasl_password.get_secret_value(),
    }


def _check_kerberos() -> None:
    try:
        import gssapi  # type: ignore[import-not-found,unused-ignore] # noqa: F401 - aiokafka only asserts that it is there
    except ImportError as error:
        raise SettingsError(
            "MILLRACE_KAFKA_SASL_MECHANISM=GSSAPI needs the package gssapi, which is not installed.",
            "Install it beside Millrace, with the Kerberos libraries of the system: pip install gssapi.",
        ) from error


def _token_provider(settings: Settings) -> AbstractTokenProvider:
    file, command = settings.kafka_oauth_token_file, settings.kafka_oauth_token_command
    if (file is None) == (not command):
        raise SettingsError(
            "MILLRACE_KAFKA_SASL_MECHANISM=OAUTHBEARER needs one of MILLRACE_KAFKA_OAUTH_TOKEN_FILE and "
            f"MILLRACE_KAFKA_OAUTH_TOKEN_COMMAND, and has {'both' if command else 'none'}.",
            "A file is read anew at each login; a command prints a token, such as a curl of your token endpoint.",
        )
    return FileToken(file) if file is not None else CommandToken(command)


class TokenError(UnavailableError, AuthenticationFailedError):
    """There is no token now. aiokafka takes it for a login that failed, and tries again as after any of those."""

    def __init__(self, detail: str, advice: str = "") -> None:
        super().__init__(detail, advice)
        log.warning("there is no token to log in to Kafka with", why=detail)


class FileToken(AbstractTokenProvider):
    """The token in a file that somebody renews: it is read at each login."""

    def __init__(self, file: Path) -> None:
        self._file = file

    async def token(self) -> str:
        """Raises:
        TokenError: the file cannot be read, or is empty.
        """
        try:
            found = self._file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise TokenError(f"The token in {self._file} cannot be read: {error.strerror}.") from error
        return _checked(found, str(self._file))


class CommandToken(AbstractTokenProvider):
    """The token that a command prints; it is asked again a minute later."""

    def __init__(self, command: str) -> None:
        self._command, self._token, self._until = command, "", 0.0
        self._asking = asyncio.Lock()

    async def token(self) -> str:
        """Raises:
        TokenError: the command fails, takes more than ten seconds or prints nothing.
        """
        async with self._asking:
            if time.monotonic() >= self._until:
                self._token = _checked(await self._ask(), f"`{self._command}`")
                self._until = time.monotonic() + TOKEN_KEPT_S
            return self._token

    async def _ask(self) -> str:
        try:
            process = await asyncio.create_subprocess_exec(
                *shlex.split(self._command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except (OSError, ValueError) as error:
            raise TokenError(f"`{self._command}`, which should print a token, cannot run: {error}.") from error
        try:
            said, complaint = await asyncio.wait_for(process.communicate(), TOKEN_S)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise TokenError(f"`{self._command}` has printed no token within {TOKEN_S:.0f} s.") from None
        if process.returncode:
            why = complaint.decode(errors="replace").strip()[-200:]
            raise TokenError(f"`{self._command}`, which should print a token, ended with {process.returncode}: {why}.")
        return said.decode(errors="replace").strip()


def _checked(token: str, source: str) -> str:
    if not token or any(character.isspace() for character in token):
        what = "is empty" if not token else "has more than one word"
        raise TokenError(f"The token of {source} {what}.", "It is a token alone, such as a JWT.")
    return token
