"""What is served to people: pages, their parts and assets; the same read side as the API.

request ─► Store.reading ─► page (Jinja2) ─► HTML that is complete without JavaScript; live parts by one event stream
May import: api, storage, schemas.
"""

from console.app import install
from console.files import read_lock

__all__ = ["install", "read_lock"]
