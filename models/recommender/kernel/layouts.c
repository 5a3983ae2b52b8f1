/* layouts.c: where the fields of rows lie, for both languages: Python compares these with its dtypes. */
#include "kernel.h"

#define FIELD(type, name) {#name, offsetof(type, name), sizeof(((type *)0)->name)}
#define END {NULL, 0, 0}

_Static_assert(sizeof(Item) == 112 && offsetof(Item, is_told) == 108, "ITEM of arrays.py");
_Static_assert(sizeof(Session) == 32 && offsetof(Session, length) == 24, "SESSION of arrays.py");
_Static_assert(sizeof(User) == 792 && offsetof(User, turned_down) == 712, "USER of users.py");
_Static_assert(sizeof(Clock) == 144 && offsetof(Clock, weights) == 80, "CLOCK of arrays.py");
_Static_assert(sizeof(Settings) == 312 && offsetof(Settings, weights) == 248, "SETTINGS of settings.py");
_Static_assert(sizeof(LogEntry) == 16, "a row of `log` of arrays.py");
_Static_assert(sizeof(Summary) == 32 && offsetof(Summary, grown) == 24, "SUMMARY of arrays.py");
_Static_assert(sizeof(CoVisit) == 32 && offsetof(CoVisit, close) == 28, "CO_VISIT of arrays.py");

static const Field ITEM_FIELDS[] = {
    FIELD(Item, key),          FIELD(Item, head),         FIELD(Item, last),         FIELD(Item, first),
    FIELD(Item, published),    FIELD(Item, available_at), FIELD(Item, published_at), FIELD(Item, removed_at),
    FIELD(Item, row_since),    FIELD(Item, clicks),       FIELD(Item, repeats),      FIELD(Item, is_available),
    FIELD(Item, is_announced), FIELD(Item, is_waiting),   FIELD(Item, is_removed),   FIELD(Item, has_others),
    FIELD(Item, in_a_row),     FIELD(Item, clicker),      FIELD(Item, is_told),      END};

static const Field SESSION_FIELDS[] = {FIELD(Session, key), FIELD(Session, number), FIELD(Session, last),
                                       FIELD(Session, length), END};

static const Field USER_FIELDS[] = {
    FIELD(User, last),   FIELD(User, session),  FIELD(User, session_id), FIELD(User, prefix),
    FIELD(User, events), FIELD(User, sessions), FIELD(User, length),     FIELD(User, event),
    FIELD(User, counted_since), FIELD(User, counted), FIELD(User, turned_down), END};

static const Field CLOCK_FIELDS[] = {FIELD(Clock, hot_refresh),     FIELD(Clock, new_age),
                                     FIELD(Clock, hot_clicks),      FIELD(Clock, counts_sessions),
                                     FIELD(Clock, hides_unknown),   FIELD(Clock, actions),
                                     FIELD(Clock, fast),            FIELD(Clock, slow),
                                     FIELD(Clock, reads),           FIELD(Clock, window),
                                     FIELD(Clock, weights),         END};

static const Field SUMMARY_FIELDS[] = {FIELD(Summary, item),  FIELD(Summary, count), FIELD(Summary, dense_at),
                                       FIELD(Summary, grown), END};

static const Field CO_VISIT_FIELDS[] = {
    FIELD(CoVisit, scattered), FIELD(CoVisit, item), FIELD(CoVisit, after),    FIELD(CoVisit, before),
    FIELD(CoVisit, recent),    FIELD(CoVisit, next), FIELD(CoVisit, together), FIELD(CoVisit, close), END};

static const Field SETTINGS_FIELDS[] = {
    FIELD(Settings, reads),
    FIELD(Settings, all_reads),
    FIELD(Settings, prefix_items),
    FIELD(Settings, window),
    FIELD(Settings, neighbours),
    FIELD(Settings, second_order_items),
    FIELD(Settings, second_order_reads),
    FIELD(Settings, max_candidates),
    FIELD(Settings, min_candidates),
    FIELD(Settings, own_items),
    FIELD(Settings, hot_items),
    FIELD(Settings, new_items),
    FIELD(Settings, age_decay),
    FIELD(Settings, fast),
    FIELD(Settings, slow),
    FIELD(Settings, neighbour_recency),
    FIELD(Settings, neighbour_recency_short),
    FIELD(Settings, prefix_decay),
    FIELD(Settings, prefix_decay_short),
    FIELD(Settings, distance_decay),
    FIELD(Settings, distance_decay_short),
    FIELD(Settings, quotas),
    FIELD(Settings, weights),
    END};

const Layout LAYOUTS[] = {{"item", sizeof(Item), ITEM_FIELDS},       {"session", sizeof(Session), SESSION_FIELDS},
                          {"user", sizeof(User), USER_FIELDS},       {"clock", sizeof(Clock), CLOCK_FIELDS},
                          {"settings", sizeof(Settings), SETTINGS_FIELDS},
                          {"summary", sizeof(Summary), SUMMARY_FIELDS}, {"co_visit", sizeof(CoVisit), CO_VISIT_FIELDS},
                          {NULL, 0, NULL}};
