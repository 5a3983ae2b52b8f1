"""What a forest is when it serves: packs, one file of flat tables each, and what scores rows with them.

pack (bytes) ─► read_pack ─► Scorer ─► scores
May import: schemas, models.kernel. No library that trains.
"""

from models.packs.anatomy import anatomy_of
from models.packs.golden import check_golden, pack_entries
from models.packs.pack import LINKS, RESTORE_IT, PackHeader, changed_error, pack_sha256, read_pack, write_pack
from models.packs.scorer import Scorer

__all__ = [
    "LINKS",
    "RESTORE_IT",
    "PackHeader",
    "Scorer",
    "anatomy_of",
    "changed_error",
    "check_golden",
    "pack_entries",
    "pack_sha256",
    "read_pack",
    "write_pack",
]
