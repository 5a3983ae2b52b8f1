"""The versions of models on disk and on their way, who signed them, and the aliases that say which of them serves.

save or receive ─► a folder a version ─► promote ─► aliases.json ─► load ─► Model
May import: models.packs.
"""

from models.registry.folder import Publication, document_of, pack_file
from models.registry.publication import Assembler, records_of
from models.registry.signing import Trust, generate_key, load_key
from models.registry.store import Model, ModelStore

__all__ = [
    "Assembler",
    "Model",
    "ModelStore",
    "Publication",
    "Trust",
    "document_of",
    "generate_key",
    "load_key",
    "pack_file",
    "records_of",
]
