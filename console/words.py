"""Words: what the names of measures, stages, agents and strategies mean, for people: a plain label and a hint.

words.toml ─► name: label, hint ─► <abbr title=hint>label</abbr>
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import NamedTuple

from markupsafe import Markup, escape

BEFORE = "_before"  # of a version that was made smaller: the figure of the one that it was made of


class Word(NamedTuple):
    """What a person reads, and what it says on pointing at it."""

    label: str
    hint: str


def _read() -> dict[str, Word]:
    kinds = tomllib.loads(Path(__file__).with_name("words.toml").read_text(encoding="utf-8"))
    return {name: Word(*said) for kind in kinds.values() for name, said in kind.items()}


WORDS = _read()


def word_of(name: str) -> Word:
    """The label and hint of a name; one that is not known is its own label."""
    base = name.removesuffix(BEFORE)
    known = WORDS.get(base)
    if known is None and (of := WORDS.get(base.partition("_")[2])):  # `low_pinball_loss`: of one forest of several
        known = Word(f"{of.label}, {base.partition('_')[0]}", of.hint)
    if known is None:
        return Word(name.replace("_", " "), "")
    return known if base == name else Word(f"{known.label}, before", f"{known.hint} Of the version it was made from.")


def word(name: str) -> Markup:
    """As a part of a page, with the hint, and the name itself for those who know it, on pointing at it."""
    label, hint = word_of(name)
    return Markup('<abbr title="{}">{}</abbr>').format(f"{hint} ({name})", label) if hint else escape(label)
