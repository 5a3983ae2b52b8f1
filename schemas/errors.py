"""The one base error: title, detail, advice. Rooms subclass it; the command line and the API print it."""

from __future__ import annotations


class MillraceError(Exception):
    """An error that a person can act on.

    Args:
        detail: what happened, with the values concerned, and what follows from it.
        advice: what to do about it.
    """

    title = "Millrace failed"

    def __init__(self, detail: str, advice: str = "") -> None:
        super().__init__(f"{detail} {advice}".strip())
        self.detail = detail
        self.advice = advice


class SettingsError(MillraceError):
    title = "The settings cannot be used"


class ModelError(MillraceError):
    """A model folder, manifest or pack that cannot be used."""

    title = "The model cannot be used"


class UnavailableError(MillraceError):
    """A broker or database that is not there; trying again may help."""

    title = "A service is not available"
