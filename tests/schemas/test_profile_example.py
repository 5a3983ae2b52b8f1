"""The profile in docs/train.md is one."""

from __future__ import annotations

import re
from pathlib import Path

from schemas import parse_profile

PAGE = Path(__file__).parents[2] / "docs" / "train.md"


def test_the_profile_of_the_page_says_what_the_page_says() -> None:
    found = re.search(r'```toml\n(based_on = "shop".*?)```', PAGE.read_text(), re.S)
    assert found is not None
    profile = parse_profile(found[1])
    assert (profile.unknown_items, profile.exploration) == (True, 0.05)
    assert (profile.action_weights.view, profile.action_weights.cart, profile.action_weights.purchase) == (
        1.0,
        4.0,
        8.0,
    )
