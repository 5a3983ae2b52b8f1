"""What is served: FastAPI routes, problems, live stream.

Settings, Publisher ─► build_api ─► serve (uvicorn in this process); make_key ─► a line of MILLRACE_API_KEYS_FILE
May import: storage, schemas.
"""

from api.app import build_api
from api.keys import SCOPES, KeysError, Scope, make_key
from api.problems import PROBLEM_TYPES, markdown
from api.publisher import Outgoing, Publisher
from api.server import ApiServer, ListenError, serve

__all__ = [
    "PROBLEM_TYPES",
    "SCOPES",
    "ApiServer",
    "KeysError",
    "ListenError",
    "Outgoing",
    "Publisher",
    "Scope",
    "build_api",
    "make_key",
    "markdown",
    "serve",
]
