"""What is served: FastAPI routes, problems, live stream.

Settings, Publisher ─► build_api ─► serve (uvicorn in this process); make_key ─► a line of MILLRACE_API_KEYS_FILE
May import: storage, schemas.
"""

from api.access import Caller, StillAllowed, is_own_origin, needs
from api.addresses import id_part
from api.alert_actions import Acting, act_on
from api.alerts import AlertId, InHandling
from api.app import build_api
from api.cursors import from_cursor, to_cursor
from api.dead_letters import MOST_REASONS, replay_dead_letters
from api.items import get_user
from api.keys import SCOPES, KeyFile, KeysError, Scope, make_key
from api.lists import Choice, listed, popular_now
from api.model_list import read_models
from api.notifications import retry_notification
from api.operation import WORKER_SILENCE, list_topics, overview_of
from api.problem_types import PROBLEM_TYPES, ProblemType
from api.problems import ProblemError, markdown
from api.promotion import moved
from api.publisher import Broker, Keeper, ModelKeeper, Outgoing, Publisher
from api.readiness import look
from api.server import ApiServer, ListenError, serve
from api.shared import Database, InPlace
from api.trace import traced

__all__ = [
    "MOST_REASONS",
    "PROBLEM_TYPES",
    "SCOPES",
    "WORKER_SILENCE",
    "Acting",
    "AlertId",
    "ApiServer",
    "Broker",
    "Caller",
    "Choice",
    "Database",
    "InHandling",
    "InPlace",
    "Keeper",
    "KeyFile",
    "KeysError",
    "ListenError",
    "ModelKeeper",
    "Outgoing",
    "ProblemError",
    "ProblemType",
    "Publisher",
    "Scope",
    "StillAllowed",
    "act_on",
    "build_api",
    "from_cursor",
    "get_user",
    "id_part",
    "is_own_origin",
    "list_topics",
    "listed",
    "look",
    "make_key",
    "markdown",
    "moved",
    "needs",
    "overview_of",
    "popular_now",
    "read_models",
    "replay_dead_letters",
    "retry_notification",
    "serve",
    "to_cursor",
    "traced",
]
