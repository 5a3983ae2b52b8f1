"""Promotion: let a version serve, be tried, or take that back: in this home, and where a Kafka is, for all workers.

verify ─► (sign) ─► the version on models.v1 ─► alias in MILLRACE_HOME ─► (sign) ─► alias on models.v1
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from schemas import MODELS, Alias, AliasRecord, ModelError, Settings, SettingsError, load_settings, topic_name

if TYPE_CHECKING:
    from models.registry import ModelStore


class Promotion:
    """The models of a home.

    Args:
        store: of the home.
        settings: with a Kafka; None: nothing is published, workers of this home take it at their next start.
        by: who decides.
    """

    def __init__(self, store: ModelStore, settings: Settings | None, by: str = "command line") -> None:
        self.store, self.settings, self.by = store, settings, by

    async def promote(self, name: str, version: str, alias: Alias = "champion") -> AliasRecord:
        """Point an alias to a version.

        Raises:
            ModelError: the version cannot be used, or is not signed and no key is there; nothing was moved.
            UnavailableError: Kafka does not answer; nothing was moved.
        """
        return await self._point(name, version, lambda: self.store.promote(name, version, alias, self.by))

    async def rollback(self, name: str, alias: Alias = "champion") -> AliasRecord:
        """Let the version before the present one serve again.

        Raises:
            ModelError: there is none, and as `promote`.
            UnavailableError: as `promote`.
        """
        version = await asyncio.to_thread(self.store.earlier, name, alias)
        return await self._point(name, version, lambda: self.store.rollback(name, alias, self.by))

    async def withdraw(self, name: str, alias: Alias = "challenger") -> AliasRecord:
        """End a challenger.

        Raises:
            SettingsError: it is the champion.
            ModelError: there is none, and as `promote`.
            UnavailableError: as `promote`.
        """
        if alias == "champion":
            raise SettingsError(
                f"{name} must have a champion as long as its events come.", "Promote another version, or roll back."
            )
        record = await asyncio.to_thread(self.store.withdrawal, name, alias)
        self._check_can_sign(f"That the {alias} of {name} is withdrawn")
        await self._publish_alias(record)
        await asyncio.to_thread(self.store.move, record, self.by)
        return record

    async def publish(self, name: str, version: str) -> None:
        """Put a version on the topic, signed where there is a key.

        Raises:
            ModelError: it cannot be used, or is not signed and no key is there.
            UnavailableError: Kafka does not answer.
        """
        from models.registry import load_key
        from streams.serving import publish

        if self.settings is None:
            return
        if self.settings.model_private_key is not None:
            self.store.sign(name, version, load_key(self.settings.model_private_key))
        publication = await asyncio.to_thread(self.store.verify, name, version)
        if not publication.is_signed and _needs_signatures(self.settings):
            raise _unsigned(f"{name} {version}")
        await publish(self.settings, [publication])

    async def _point(self, name: str, version: str, move: Callable[[], AliasRecord]) -> AliasRecord:
        """The version first, so that nothing moves where it cannot be published; then the alias, here and there."""
        self._check_can_sign(f"That an alias of {name} points to {version}")
        await self.publish(name, version)
        record = await asyncio.to_thread(move)
        await self._publish_alias(record)
        return record

    async def _publish_alias(self, record: AliasRecord) -> None:
        """Put a change of an alias on the topic, signed where there is a key."""
        from models.registry import load_key, sign_alias
        from streams.serving import publish

        if self.settings is None:
            return
        if self.settings.model_private_key is not None:
            key = load_key(self.settings.model_private_key)
            record = sign_alias(record, key, topic_name(self.settings, MODELS))
        await publish(self.settings, [], record)

    def _check_can_sign(self, what: str) -> None:
        """Raises:
        ModelError: workers want a signature, and no key is there.
        """
        if self.settings and self.settings.model_private_key is None and _needs_signatures(self.settings):
            raise _unsigned(what)


def _needs_signatures(settings: Settings) -> bool:
    """Whether workers refuse what is not signed; those of an embedded Kafka do where they have keys."""
    is_lenient = not load_settings().kafka and not settings.model_public_keys
    return not (is_lenient or settings.allow_unsigned_models)


def _unsigned(what: str) -> ModelError:
    return ModelError(
        f"{what} is not signed, so workers would refuse it. Nothing was published.",
        "Set MILLRACE_MODEL_PRIVATE_KEY to a key of `millrace models keygen`; or, where the workers do the same, "
        "MILLRACE_ALLOW_UNSIGNED_MODELS=true.",
    )


class HomeKeeper:
    """The `ModelKeeper` of an API server: the models of its home. What verifies them is loaded when first needed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def promote(self, name: str, version: str, alias: Alias, by: str) -> AliasRecord:
        return await (await self._promotion(by)).promote(name, version, alias)

    async def rollback(self, name: str, alias: Alias, by: str) -> AliasRecord:
        return await (await self._promotion(by)).rollback(name, alias)

    async def _promotion(self, by: str) -> Promotion:
        def build() -> Promotion:
            from models.registry import ModelStore

            return Promotion(ModelStore(self._settings.home / "models"), self._settings, by)

        return await asyncio.to_thread(build)
