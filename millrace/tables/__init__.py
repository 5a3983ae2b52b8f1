"""Tables as people keep them, read as events: CSV, Parquet or JSON Lines, wide or long, in the world's formats.

file ─► chunks of columns ─► what each column is (guessed, or said by a `Mapping`) ─► the fields of one event a row
May import: schemas.
"""

from millrace.tables.columns import Layout, layout_of
from millrace.tables.mapping import (
    EVENT_FIELDS,
    WORDS,
    Mapping,
    MappingError,
    cure_of,
    load_mapping,
    mapping_file_of,
    parse_mapping,
)
from millrace.tables.reading import (
    UNREADABLE,
    Chunk,
    FileKind,
    Report,
    chunks_of_objects,
    kind_of,
    read_chunks,
    read_lines,
)
from millrace.tables.rows import TableRow, read_rows

__all__ = [
    "EVENT_FIELDS",
    "UNREADABLE",
    "WORDS",
    "Chunk",
    "FileKind",
    "Layout",
    "Mapping",
    "MappingError",
    "Report",
    "TableRow",
    "chunks_of_objects",
    "cure_of",
    "kind_of",
    "layout_of",
    "load_mapping",
    "mapping_file_of",
    "parse_mapping",
    "read_chunks",
    "read_lines",
    "read_rows",
]
