"""Receivers that fail in every way: an HTTP server on raw sockets, and an SMTP server (aiosmtpd)."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import Message
from email.policy import default
from typing import Any, NamedTuple

import orjson
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult

SECRET = "whsec_c2VjcmV0IG9mIHRoZSB0ZXN0cyBvZiBub3RpZnkh"


class Post(NamedTuple):
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


Answer = Callable[[socket.socket, Post], None]


def says(status: int, *headers: str, body: str = "") -> Answer:
    """An answer of HTTP."""

    def answer(connection: socket.socket, _: Post) -> None:
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close", *headers]
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n" + body).encode())

    return answer


def hangs(connection: socket.socket, _: Post) -> None:
    """Never answers; ends when the other side does."""
    connection.recv(1)


def drips(connection: socket.socket, _: Post) -> None:
    """A byte of the answer now and then: each is in time, the whole never is."""
    for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 10_000:
        connection.sendall(bytes([byte]))
        time.sleep(0.1)


def closes(_: socket.socket, __: Post) -> None:
    """Before it answers."""


def closes_early(connection: socket.socket, _: Post) -> None:
    """In the middle of the status line."""
    connection.sendall(b"HTTP/1.1 2")


def resets(connection: socket.socket, _: Post) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


class Receiver:
    """Answers each request as `answers` says in turn, and with 200 from then on."""

    def __init__(self, *answers: Answer, context: ssl.SSLContext | None = None) -> None:
        self.posts: list[Post] = []
        self.times: list[float] = []
        self.answers = list(answers)
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"{'https' if self._context else 'http'}://127.0.0.1:{self.port}/hook"

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # or the thread that accepts would go on
        self._listener.close()

    def until(self, count: int, seconds: float = 30.0) -> list[Post]:
        deadline = time.monotonic() + seconds
        while len(self.posts) < count:
            assert time.monotonic() < deadline, f"{len(self.posts)} of {count} came"
            time.sleep(0.01)
        return self.posts

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
            with connection:
                post = _read(connection)
                if post is not None:
                    answer = self.answers.pop(0) if self.answers else says(200)
                    self.posts.append(post)
                    self.times.append(time.monotonic())
                    answer(connection, post)
        except OSError:  # the other side gave up, or does not trust us
            return


def _read(connection: socket.socket) -> Post | None:
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            return None
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(65536)
    return Post(first.split()[1], headers, body)


@contextmanager
def receiving(*answers: Answer, context: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    receiver = Receiver(*answers, context=context)
    try:
        yield receiver
    finally:
        receiver.close()


class Mails:
    """The handler of an SMTP server: says what `answers` has in turn, then takes everything."""

    def __init__(self, *answers: str, stage: str = "DATA") -> None:
        self.answers, self.mails, self.stage = list(answers), list[Message](), stage
        self.tried = 0

    async def handle_RCPT(self, _server: SMTP, _session: Any, envelope: Any, address: str, _options: Any) -> str:
        if self.stage == "RCPT":
            self.tried += 1
            if self.answers and not (answer := self.answers.pop(0)).startswith("250"):
                return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Any, envelope: Any) -> str:
        if self.stage == "DATA":
            self.tried += 1
            if self.answers:
                return self.answers.pop(0)
        self.mails.append(message_from_bytes(envelope.content, policy=default))  # type: ignore[arg-type]
        return "250 OK"


@contextmanager
def mailing(*answers: str, stage: str = "DATA") -> Iterator[tuple[Mails, int]]:
    """A handler and the port of its server; `stage` is the command that it answers so."""
    mails = Mails(*answers, stage=stage)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    logging.getLogger("mail.log").setLevel(logging.WARNING)
    controller = Controller(
        mails, hostname="127.0.0.1", port=port, auth_require_tls=False,
        authenticator=lambda *_: AuthResult(success=True),
    )  # fmt: skip
    controller.start()
    try:
        yield mails, port
    finally:
        controller.stop()
