"""Smaller and faster versions of a model, and what they lose on rows that it did not learn from.

version and held-out rows ─► variants ─► judge ─► Found ─► save_optimised
May import: schemas, every room of models; none imports it.
"""

from models.shrink.optimise import optimise_model, save_optimised
from models.shrink.search import Found, Variant

__all__ = [
    "Found",
    "Variant",
    "optimise_model",
    "save_optimised",
]
