"""Helpers of the tests."""

from tests.support.kafka import consume, create_topics, produce

__all__ = ["consume", "create_topics", "produce"]
