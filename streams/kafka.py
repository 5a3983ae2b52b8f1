"""Kafka clients: how every producer, consumer and admin client of Millrace reaches the broker.

Settings ─► client_options ─► AIOKafkaConsumer, AIOKafkaProducer, AIOKafkaAdminClient
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code

from schemas import Settings, SettingsError, UnavailableError


def client_options(settings: Settings) -> dict[str, Any]:
    """Keyword arguments that all aiokafka clients take: address, encryption and login.

    Raises:
        SettingsError: no broker is named, or the file of certificates cannot be read.
    """
    if not settings.kafka:
        raise SettingsError(
            "MILLRACE_KAFKA is empty, so there is no broker to connect to.",
            "Set MILLRACE_KAFKA=host:port, or use `millrace up`, which brings its own Kafka.",
        )
    protocol = settings.kafka_security_protocol
    options: dict[str, Any] = {"bootstrap_servers": settings.kafka, "security_protocol": protocol}
    if protocol.endswith("SSL"):
        try:
            options["ssl_context"] = ssl.create_default_context(cafile=settings.kafka_ca_file)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(
                f"MILLRACE_KAFKA_CA_FILE={settings.kafka_ca_file} cannot be read: {error}.",
                "Name a PEM file with the certificates of the authority that signed the brokers' ones.",
            ) from error
    if protocol.startswith("SASL"):
        options["sasl_mechanism"] = settings.kafka_sasl_mechanism
        options["sasl_plain_username"] = settings.kafka_sasl_username
        options["sasl_plain_password"] = settings.kafka_sasl_password.get_secret_value()
    return options


def group_name(settings: Settings, agent: str) -> str:
    """Consumer group of an agent; its transactional ids begin with it."""
    return f"{settings.topic_prefix}millrace-{agent}"


async def partition_counts(settings: Settings, topics: Sequence[str]) -> dict[str, int]:
    """Partitions of each of the topics, by their names on the broker.

    Raises:
        UnavailableError: a topic is not there.
        KafkaError: the broker does not answer.
    """
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    try:
        found = await admin.describe_topics(list(topics))
    finally:
        await admin.close()
    missing = [f"{t['topic']} ({for_code(t['error_code']).__name__})" for t in found if t["error_code"]]
    if missing:
        raise UnavailableError(
            f"Kafka at {settings.kafka} does not have: {', '.join(sorted(missing))}.",
            "Run `millrace topics apply`.",
        )
    return {t["topic"]: len(t["partitions"]) for t in found}
