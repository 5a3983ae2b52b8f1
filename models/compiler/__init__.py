"""From a trained forest to a pack that scores like it, bit for bit, or an error. Needs LightGBM and treelite.

model of LightGBM, XGBoost or scikit-learn ─► Forest ─► pack ─► parity gate
May import: schemas, models.packs, models.kernel. Not for workers.
"""

from models.compiler.compile import compile_forest, gain_shares, pack_of
from models.compiler.elsewhere import ImportedForest, import_forest
from models.compiler.forest import ZERO_THRESHOLD, CategoricalSplit, Forest, NumericSplit, Tree
from models.compiler.unpack import forest_of_pack

__all__ = [
    "ZERO_THRESHOLD",
    "CategoricalSplit",
    "Forest",
    "ImportedForest",
    "NumericSplit",
    "Tree",
    "compile_forest",
    "forest_of_pack",
    "gain_shares",
    "import_forest",
    "pack_of",
]
