"""Settings: everything that can be set from outside, one table. Environment variables with the prefix `MILLRACE_`."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.errors import SettingsError, faults_of

PREFIX = "MILLRACE_"
OTHER_VARIABLES = {"MILLRACE_EVALUATOR"}  # read where there are no settings, see models/packs/scorer.py


class Settings(BaseSettings):
    # empty is as if it were not set: files of environments say `NAME=` for that, and an empty path would be a folder
    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True)

    home: Path = Field(Path(".millrace"), description="folder of models, embedded Kafka, SQLite, logs and snapshots")
    # Kafka
    kafka: str = Field("", description="`host:port[,host:port]` of an existing Kafka; empty: the embedded one")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "GSSAPI"] = "SCRAM-SHA-512"
    kafka_sasl_username: str = ""
    kafka_sasl_password: SecretStr = SecretStr("")
    kafka_oauth_token_file: Path | None = Field(None, description="of OAUTHBEARER: a token, read anew at each login")
    kafka_oauth_token_command: str = Field("", description="of OAUTHBEARER instead: a command that prints a token")
    kafka_kerberos_service: str = Field("kafka", description="of GSSAPI: the service name of the brokers")
    kafka_kerberos_domain: str = Field("", description="of GSSAPI: their domain; empty: as in MILLRACE_KAFKA")
    kafka_ca_file: Path | None = Field(None, description="certificates of the authority that signed the brokers' ones")
    kafka_client_cert_file: Path | None = Field(None, description="PEM of our own certificate, for brokers that ask")
    kafka_client_key_file: Path | None = Field(None, description="PEM of its key; none: in the same file")
    kafka_client_key_password: SecretStr = Field(SecretStr(""), description="of the key, where it is encrypted")
    kafka_port: int = Field(
        0, ge=0, le=65535, description="port of the embedded Kafka; 0: a free one, kept from then on"
    )
    kafka_jars: Path | None = Field(
        None, description="folder of the embedded Kafka's jars; none: in the user's cache, shared by all checkouts"
    )
    kafka_replication: int = Field(1, ge=1, le=9, description="replication factor of the topics that are created")
    partitions: int = Field(4, ge=1, le=1000, description="partitions of the keyed topics; fixed at first creation")
    topic_prefix: str = Field("", pattern=r"^[a-zA-Z0-9._-]*$", description="prefix of all topics and consumer groups")
    # streams
    checkpoint_interval_s: float = Field(1.0, gt=0, le=60, description="time between two checkpoints of a partition")
    session_timeout_s: float = Field(
        10.0, ge=1, le=300, description="silence after which a worker loses its partitions"
    )
    max_batch_records: int = Field(1000, ge=1, le=10_000, description="records handled at once")
    max_event_bytes: int = Field(1_000_000, ge=1000, le=10_000_000, description="larger events are quarantined")
    max_future_clicks_s: float = Field(
        300, ge=0, description="clicks further ahead of their record's time are quarantined"
    )
    max_future_telemetry_s: float = Field(300, ge=0, description="the same for readings")
    max_future_items_s: float = Field(90 * 86_400, ge=0, description="the same for items")
    max_future_maintenance_s: float = Field(
        90 * 86_400, ge=0, description="the same for the maintenance log, where plans lie weeks ahead"
    )
    max_future_assets_s: float = Field(300, ge=0, description="the same for what is told of assets")
    metrics_port: int = Field(0, ge=0, le=65535, description="port of a worker's /metrics on `metrics_host`; 0: none")
    metrics_host: str = Field("127.0.0.1", description="address of a worker's /metrics")
    rank_host: str = Field(
        "127.0.0.1",
        description="address on which an edge worker ranks for `POST /v1/rank`; beyond loopback only with `rank_token`",
    )
    rank_port: int = Field(0, ge=0, le=65535, description="its port; 0: a free one, which its status tells")
    rank_token: SecretStr = Field(SecretStr(""), description="secret that the API and the edge workers share for it")
    # models
    profile: str = Field(
        "shop", description="recommender profile without a trained model: `shop`, `portal` or a TOML file"
    )
    model_public_keys: str = Field(
        "", description="Ed25519 keys whose signatures count, as `millrace models keygen` prints them; commas between"
    )
    model_private_key: Path | None = Field(
        None, description="PEM file of the key that `millrace models` signs versions and aliases with"
    )
    model_aliases_since: AwareDatetime | None = Field(
        None, description="changes of aliases on models.v1 from before this time are refused (RFC 3339 with zone)"
    )
    allow_unsigned_models: bool = Field(
        False, description="serve models without a signature; `up` and `demo` turn it on with the embedded Kafka"
    )
    # storage
    database_url: str = Field("", description="SQLAlchemy URL; empty: SQLite in `home`")
    retention_scores_days: float = Field(30, gt=0, description="older scores are deleted from the database")
    silent_intervals: float = Field(
        5, ge=2, description="an asset that sent no reading for so many of its usual intervals raises a data alert"
    )
    silent_least_s: float = Field(60, gt=0, description="and for so long at least")
    silent_after_s: float = Field(
        3600, gt=0, description="an asset that was scored within a day and not for so long counts as silent"
    )
    retention_readings_days: float = Field(30, gt=0, description="older readings are deleted from the database")
    readings_every_s: float = Field(
        10, ge=0.001, le=86_400, description="the database keeps one reading of an asset in each time of this length"
    )
    retention_clicks_days: float = Field(30, gt=0, description="older clicks are deleted from the database")
    clicks_per_user: int = Field(
        50,
        ge=1,
        le=10_000,
        description="the newest that are kept of each user, and as many beyond views",
    )
    retention_log_days: float = Field(730, gt=0, description="older entries of maintenance logs are deleted from it")
    retention_dead_letters_days: float = Field(30, gt=0, description="older dead letters are deleted from it")
    retention_figures_days: float = Field(7, gt=0, description="older figures of workers are deleted from it")
    retention_recommendations_days: float = Field(
        365, gt=0, description="lists of users and of items that did not change for so long are deleted from it"
    )
    retention_alerts_days: float = Field(
        730, gt=0, description="alerts cleared so long ago, and assets not seen for so long, are deleted from it"
    )
    retention_removed_items_days: float = Field(
        30, gt=0, description="an item that the shop removed is known as removed for so long"
    )
    retention_notifications_days: float = Field(
        30, gt=0, description="notifications that were sent, or failed, so long ago are deleted from it"
    )
    # notifications
    notifications_file: Path | None = Field(
        None, description="TOML or JSON file of rules: who is told of which alerts; none: nobody"
    )
    notifications_give_up_h: float = Field(
        24, gt=0, le=720, description="a notification that no channel took for so long has failed"
    )
    # API
    api_host: str = Field("127.0.0.1", description="address of the API; beyond loopback only with keys")
    api_port: int = Field(8000, ge=0, le=65535, description="port of the API; 0: a free one")
    api_keys_file: Path | None = Field(None, description="file of hashed API keys; none: no keys, loopback only")
    ready_most_lag: int = Field(
        100_000, ge=0, description="/readyz says no while the sink has more decisions before it"
    )
    api_cors_origins: str = Field(
        "", description="web pages of these origins may use the API from a browser; commas between, `*`: all"
    )
    core_hour_price: float = Field(
        0, ge=0, description="what an hour of a core costs; with it the console tells what a million decisions cost"
    )
    api_open_metrics: bool = Field(False, description="/metrics of an API with keys needs none")
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    def database(self) -> str:
        """The SQLAlchemy URL in force."""
        return self.database_url or f"sqlite:///{(self.home / 'millrace.db').absolute()}"


def load_settings() -> Settings:
    """Settings from the environment.

    Raises:
        SettingsError: a variable has a value that cannot be used, or its name is none of ours; the message names each
            of them.
    """
    _check_names(os.environ)
    try:
        return Settings()
    except ValidationError as error:
        lines = [
            f"MILLRACE_{fault.path.replace('.', '_').upper()}={fault.value!r}: {fault.message}"
            for fault in faults_of(error)
        ]
        raise SettingsError(
            "; ".join(lines) + ".", "Nothing was started. Correct the environment and start again."
        ) from error


def _check_names(environment: Iterable[str]) -> None:
    """A name with a mistake in it would be passed over in silence, and its default used."""
    known = {PREFIX + name.upper() for name in Settings.model_fields} | OTHER_VARIABLES
    lines = []
    for name in sorted(one for one in environment if one.upper().startswith(PREFIX) and one.upper() not in known):
        near = difflib.get_close_matches(name.upper()[len(PREFIX) :], [one[len(PREFIX) :] for one in known], 1)
        lines.append(f"{name} is no setting{f'; did you mean {PREFIX}{near[0]}?' if near else ''}")
    if lines:
        raise SettingsError(
            ". ".join(lines).replace("?.", "?") + ("" if lines[-1].endswith("?") else "."),
            "Nothing was started. Correct or unset them; docs/reference.md has them all.",
        )
