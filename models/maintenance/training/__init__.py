"""How an asset class is learned from its history. Needs LightGBM.

history ─► log, cut into lives ─► features by the code that serves ─► forests and their policy ─► a version in the store
May import: schemas, models.maintenance, models.compiler, models.registry, the top of models.
"""

from models.maintenance.training.failure import MONTH_S, Failures, judge, reading_f1
from models.maintenance.training.train import train

__all__ = ["MONTH_S", "Failures", "judge", "reading_f1", "train"]
