"""How long an asset will live, or how likely it fails: rows of assets, features, scores, alerts.

AssetEvent ─► Encoder ─► EventBatch ─► AssetModel.step (rows, features, scores, alerts) ─► Decisions
May import: schemas, models.maintenance.kernel, models.registry, models.packs, the top of models.
Its training is a room of its own.
"""

from models.maintenance.alerts import Decided, decide
from models.maintenance.challenger import AssetChallenger
from models.maintenance.codes import (
    AHEAD,
    CLOCKS_S,
    CROWDED,
    DECOMMISSIONED,
    DEGRADED,
    FAILURE,
    IN_SERVICE,
    KINDS,
    LATE,
    LOGGED,
    POOR,
    QUALITIES,
    READING,
    REPLACEMENT,
    SCORED,
    SILENT,
    STATUSES,
)
from models.maintenance.events import Ahead, AssetEvent, Encoder, event_hashes
from models.maintenance.intervals import COVERAGE, EDGES, ROLES, Interval, conformal, tabled, with_value
from models.maintenance.learned import (
    Learned,
    feature_names_of,
    likely_channels,
    observer_of,
    policy_of,
    shape_of,
)
from models.maintenance.model import AssetModel, Decisions
from models.maintenance.moments import Moment, due_now, every_s, has_moments, moment_after, with_moments
from models.maintenance.observe import EventBatch, Seen
from models.maintenance.policy import LIFE_LEVELS_CAP, SEVERITIES, life_levels
from models.maintenance.preparation import CLIP, DIRECTIONS, Preparation, fall_course, unprepared
from models.maintenance.quality import inputs_told
from models.maintenance.regimes import Regimes, nearest
from models.maintenance.rows import LATEST_S, row_dtype
from models.maintenance.sensors import (
    BORN,
    CHECKED,
    DOUBT_CUSUM,
    DOUBT_RUN,
    FAULTS,
    LIMIT,
    LUCK,
    MODES,
    SAME,
    SMALL,
    SPIKE,
    SPREAD,
    SPREAD_PAST,
    STILL,
    Checked,
    Course,
    course_of_sensors,
)
from models.maintenance.sentences import data_sentence, sentence_of
from models.maintenance.transitions import CLEARED, RAISED
from models.maintenance.watch_rows import (
    DATA_TRANSITION,
    SILENCE,
    WATCH,
    WATCH_BOUNDS,
    WATCH_LAYOUT,
    Patience,
    silent_now,
)
from models.maintenance.watch_rows_before import WATCH_EARLIER

__all__ = [
    "AHEAD",
    "BORN",
    "CHECKED",
    "CLEARED",
    "CLIP",
    "CLOCKS_S",
    "COVERAGE",
    "CROWDED",
    "DATA_TRANSITION",
    "DECOMMISSIONED",
    "DEGRADED",
    "DIRECTIONS",
    "DOUBT_CUSUM",
    "DOUBT_RUN",
    "EDGES",
    "FAILURE",
    "FAULTS",
    "IN_SERVICE",
    "KINDS",
    "LATE",
    "LATEST_S",
    "LIFE_LEVELS_CAP",
    "LIMIT",
    "LOGGED",
    "LUCK",
    "MODES",
    "POOR",
    "QUALITIES",
    "RAISED",
    "READING",
    "REPLACEMENT",
    "ROLES",
    "SAME",
    "SCORED",
    "SEVERITIES",
    "SILENCE",
    "SILENT",
    "SMALL",
    "SPIKE",
    "SPREAD",
    "SPREAD_PAST",
    "STATUSES",
    "STILL",
    "WATCH",
    "WATCH_BOUNDS",
    "WATCH_EARLIER",
    "WATCH_LAYOUT",
    "Ahead",
    "AssetChallenger",
    "AssetEvent",
    "AssetModel",
    "Checked",
    "Course",
    "Decided",
    "Decisions",
    "Encoder",
    "EventBatch",
    "Interval",
    "Learned",
    "Moment",
    "Patience",
    "Preparation",
    "Regimes",
    "Seen",
    "conformal",
    "course_of_sensors",
    "data_sentence",
    "decide",
    "due_now",
    "event_hashes",
    "every_s",
    "fall_course",
    "feature_names_of",
    "has_moments",
    "inputs_told",
    "life_levels",
    "likely_channels",
    "moment_after",
    "nearest",
    "observer_of",
    "policy_of",
    "row_dtype",
    "sentence_of",
    "shape_of",
    "silent_now",
    "tabled",
    "unprepared",
    "with_moments",
    "with_value",
]
