"""The versions of models on disk and on their way, who signed them, and the aliases that say which of them serves.

save or receive ─► a folder a version ─► promote ─► aliases.json ─► load ─► Model
May import: schemas, models.packs, the top of models.
"""

from models.registry.aliases import CLOCK_TOLERANCE, is_older, remember
from models.registry.card import metric_text
from models.registry.folder import CARD, Publication, publication_of, read_folder
from models.registry.migrate import Signer, migrate_folders
from models.registry.records import PUBLISH_AGAIN, UPDATE_MILLRACE, Assembler, records_of
from models.registry.signing import Trust, described, generate_key, load_key, public_text, sign_alias
from models.registry.store import Model, ModelStore

__all__ = [
    "CARD",
    "CLOCK_TOLERANCE",
    "PUBLISH_AGAIN",
    "UPDATE_MILLRACE",
    "Assembler",
    "Model",
    "ModelStore",
    "Publication",
    "Signer",
    "Trust",
    "described",
    "generate_key",
    "is_older",
    "load_key",
    "metric_text",
    "migrate_folders",
    "public_text",
    "publication_of",
    "read_folder",
    "records_of",
    "remember",
    "sign_alias",
]
