"""What is served: FastAPI routes, problems, live stream.

Settings, Publisher ─► build_api ─► serve (uvicorn in this process); make_key ─► a line of MILLRACE_API_KEYS_FILE
May import: storage, schemas.
"""

from api.access import Caller, is_own_origin, needs
from api.app import build_api
from api.keys import SCOPES, KeyFile, KeysError, Scope, make_key
from api.model_list import read_models
from api.operation import WORKER_SILENCE, overview_of
from api.problem_types import PROBLEM_TYPES
from api.problems import ProblemError, markdown
from api.publisher import Broker, Outgoing, Publisher
from api.server import ApiServer, ListenError, serve
from api.shared import Database

__all__ = [
    "PROBLEM_TYPES",
    "SCOPES",
    "WORKER_SILENCE",
    "ApiServer",
    "Broker",
    "Caller",
    "Database",
    "KeyFile",
    "KeysError",
    "ListenError",
    "Outgoing",
    "ProblemError",
    "Publisher",
    "Scope",
    "build_api",
    "is_own_origin",
    "make_key",
    "markdown",
    "needs",
    "overview_of",
    "read_models",
    "serve",
]
