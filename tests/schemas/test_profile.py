"""Recommender profiles: the built-in ones, and the files people write."""

from __future__ import annotations

import pytest

from schemas import PROFILES, SettingsError, parse_profile


def test_the_built_in_profiles_are_measured_ones() -> None:
    shop, portal = PROFILES["shop"], PROFILES["portal"]
    assert (shop.clock, shop.reads, shop.prefix_items, shop.own_items) == ("sessions", 2500, 10, True)
    assert (portal.clock, portal.reads, portal.prefix_items, portal.own_items) == ("seconds", 512, 6, False)
    assert sum(shop.quotas.model_dump().values()) == 150


def test_a_file_says_only_what_differs() -> None:
    text = 'based_on = "portal"\nname = "blog"\nfresh_bonus = 0.0\n[[context_popularity]]\nname = "lang"\nvalues = 16\n'
    profile = parse_profile(text)
    assert profile.name == "blog"
    assert profile.fresh_bonus == 0.0
    assert [c.name for c in profile.context_popularity] == ["lang"]
    assert profile.reads == PROFILES["portal"].reads


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("= 3", "is not TOML"),
        ('based_on = "forum"', "based_on = 'forum' is none of shop, portal"),
        ('based_on = "shop"\nclick_log = 1000000', "click_log = 1000000 must be a power of two"),
        ('based_on = "shop"\nreads = "many"\nfast = -1', "reads: .*fast: "),
        ('based_on = "shop"\nspeed = 1', "speed: is not known here"),
        ('name = "x"', "clock: is missing"),
    ],
)
def test_what_cannot_be_used_is_told(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=f"(?s)mine.toml.*{message}"):
        parse_profile(text, "mine.toml")
