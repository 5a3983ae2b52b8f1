/* kernel.h: what the files of this extension share. None of those that include this one alone knows Python.
 *
 * Layers, each standing on those before it: tables.c; users.c, repeats.c; threshold.c, summaries.c; clicks.c, items.c, hot.c,
 * apply.c (what changes the view); check.c; scratch.c, evidence.c, gathering.c, candidates.c, features.c, ranking.c (what a question
 * asks); layouts.c; those that know Python (python.h).
 *
 * Arrays belong to NumPy. Numbers are float32 and float64 where the arrays are, and every sum has its order: a forest
 * was trained with these bits.
 */
#ifndef MILLRACE_RECOMMENDER_KERNEL_H
#define MILLRACE_RECOMMENDER_KERNEL_H

#include <stddef.h>
#include <stdint.h>

enum {
  PREFIX = 20,        /* items of a session that a question knows */
  SESSION_ITEMS = 20, /* of one list of a session; the log keeps the position in 5 bits */
  RECENT_EVENTS = 56,
  TURNED_DOWN = 20,
  COUNTERS_OF_CLICKS = 64, /* bytes, two counters in each */
  MOST_ACTIONS = 16,
  HOT_LISTS = 4,
  HOT_LENGTH = 128,
  NEW_RING = 1024,
  HALF_LIVES = 4,
  CONTINUED = 4, /* first column of `popularity` behind the half-lives: clicks that continued from another item */
  POPULARITY_COLUMNS = 6,
  CONTEXT_HALF_LIFE = 2, /* context popularity decays with the third half-life */
  MOST_COUNTED = 3,      /* clicks in a row of one user on an item, and so many in one list of a session */
  LIST_LENGTH = 20,      /* items of a recommendation */
  QUOTAS = 10,
  DENSE = 128,     /* clicks on an item in the log: as many as make a summary of it */
  CO_VISITS = 256, /* items in one summary at most */
};
enum { VIEW = 0, TURN_DOWN = 255 }; /* numbers of actions; those between are stronger than a view */
enum { KEPT = 2 };                  /* in a change of an item: nothing was said of this */

/* Numbers of `counters` and `clocks`; arrays.py says what they are. */
#define COUNTERS(X) X(CLICKS) X(SESSIONS) X(ITEMS) X(NEW) X(WAITING) X(HOT_CLICKS) X(SHOWS_UNKNOWN) \
  X(SUMMARIES)
#define CLOCKS(X) X(NOW) X(HOT_AT) X(CONTEXT_AT) X(CONTEXT_TOTAL) X(EVENTS) X(RELEASE_AT) X(PAIRS_SINCE) \
  X(PAIRS_WORN)
#define AS_NUMBER(name) name,
enum { COUNTERS(AS_NUMBER) COUNTER_COUNT };
enum { CLOCKS(AS_NUMBER) CLOCK_COUNT };

/* ---- rows and settings as NumPy lays them out; layouts.c holds both languages to it */
typedef struct {
  uint64_t key;
  int64_t head;
  double last, first, published, available_at, published_at, removed_at, row_since;
  int32_t clicks, repeats, is_available, is_announced, is_waiting, is_removed, has_others, in_a_row;
  uint32_t clicker, is_told;
} Item;

typedef struct {
  uint64_t key;
  int64_t number;
  double last;
  int64_t length;
} Session;

typedef struct {
  double last;
  uint64_t session, session_id, prefix[PREFIX], events[RECENT_EVENTS];
  uint32_t sessions;
  uint16_t length, event;
  double counted_since;
  uint8_t counted[COUNTERS_OF_CLICKS];
  uint32_t turned_down[TURNED_DOWN];
} User;

typedef struct { /* the part of the profile that the update needs */
  double hot_refresh, new_age;
  int64_t hot_clicks, counts_sessions, hides_unknown, actions;
  double fast, slow;           /* decay constants of co-visits */
  int64_t reads, window;       /* of a question, which summaries follow */
  float weights[MOST_ACTIONS]; /* of actions, in popularity and summaries */
} Clock;

typedef struct { /* the part of the profile that a question needs, under the profile's names */
  int64_t reads, all_reads, prefix_items, window, neighbours, second_order_items, second_order_reads;
  int64_t max_candidates, min_candidates, own_items, hot_items, new_items;
  double age_decay, fast, slow, neighbour_recency, neighbour_recency_short, prefix_decay, prefix_decay_short;
  double distance_decay, distance_decay_short;
  int64_t quotas[QUOTAS];      /* in the order of candidates.c */
  float weights[MOST_ACTIONS]; /* of actions, in co-visitation */
} Settings;

typedef struct {
  int64_t word; /* number of the session * 32 + position in it */
  int64_t before; /* entry before this one on the same item, + 1 */
} LogEntry;

typedef struct { /* a dense item; see summaries.c */
  int64_t item;     /* its row + 1; 0: the place is free */
  int64_t count;    /* of its co-visits */
  int64_t dense_at; /* CLICKS when the log was last seen to have DENSE clicks on it */
  double grown;     /* by its own clicks: what a pair of now weighs, beside what all summaries have in common */
} Summary;

typedef struct { /* sums over the pairs of a dense item with another one */
  uint32_t scattered; /* of the row: low bits for a table */
  int32_t item;
  float after, before, recent; /* by distance; slow decay, slow, fast */
  float next, together, close; /* the very next click; pairs; by distance alone */
} CoVisit;

/* What a CoVisit begins with, a key of tables.c. Rows of items that are clicked together often follow each other, so they
 * are scattered. */
static inline uint64_t key_of_item(int64_t item) {
  return (uint64_t)item << 32 | ((uint32_t)item * 2654435761u >> 16);
}

/* ---- tables.c: int32 of row + 1 (0: empty), probed linearly; rows are records that begin with their key */
typedef struct {
  int32_t *places;
  int64_t mask; /* places - 1; their number is a power of two */
} Table;

typedef struct {
  const void *at;
  size_t width; /* bytes of a record */
} Records;

static inline uint64_t key_of(Records records, int64_t row) {
  return *(const uint64_t *)((const char *)records.at + (size_t)row * records.width);
}
uint64_t mixed(uint64_t a, uint64_t b);
int64_t table_find(Table table, Records records, uint64_t key); /* -1: it is not there */
void table_insert(Table table, uint64_t key, int64_t row);      /* of a key that is not there; there must be room */
void table_remove(Table table, Records records, int64_t row);   /* it must be there */
int table_is_sound(Table table, Records records, int64_t rows); /* each place is found by its key, and there is room */

/* ---- the view */
typedef struct {
  Item *items;
  float *popularity, *context; /* (items, 6), (items, context_values) */
  int32_t *waiting;
  double *context_total;
  LogEntry *log;
  Session *sessions;
  int32_t *session_items; /* (sessions, 20) */
  uint8_t *session_actions;
  int32_t *new_ring, *hot;
  int64_t *hot_length, *counters;
  double *clocks, *rates;
  Summary *summaries;
  CoVisit *co_visits; /* (summaries, CO_VISITS) */
  Table item_table, session_table;
  int64_t item_room, context_values, log_length, session_room, summary_room;
  int32_t *summary_of, *co_visit_places; /* of the view's own, see index_summaries */
  Clock clock;
} View;

static inline Records items_of(const View *view) {
  return (Records){view->items, sizeof(Item)};
}
static inline Records sessions_of(const View *view) {
  return (Records){view->sessions, sizeof(Session)};
}
/* As Python: of two that cannot be compared the first one. */
static inline double larger(double a, double b) {
  return b > a ? b : a;
}
static inline double smaller(double a, double b) {
  return b < a ? b : a;
}
static inline int64_t larger_int(int64_t a, int64_t b) {
  return b > a ? b : a;
}
static inline int64_t smaller_int(int64_t a, int64_t b) {
  return b < a ? b : a;
}
/* Never negative: a clock that is ahead must not turn a decay into growth. */
static inline double elapsed(double now, double since) {
  return larger(now - since, 0.0);
}
/* To the largest number and no further. */
static inline int32_t one_more(int32_t count) {
  return count < INT32_MAX ? count + 1 : count;
}
/* What is still in the log and in the ring of sessions: entries and numbers above these. */
static inline int64_t oldest_entry(const View *view) {
  return view->counters[CLICKS] - view->log_length;
}
static inline int64_t gone_session(const View *view) {
  return view->counters[SESSIONS] - view->session_room;
}
static inline LogEntry *entry_of(const View *view, int64_t number) {
  return view->log + ((number - 1) & (view->log_length - 1));
}
static inline int64_t slot_of(const View *view, int64_t session_number) {
  return session_number & (view->session_room - 1);
}

const char *view_wrong(const View *view); /* check.c; NULL: no kernel can leave the arrays */

float threshold(const float *scores, int64_t length, int64_t count, float *values); /* threshold.c */

/* summaries.c */
typedef struct { /* of sums without decay, with the slow one, with the fast one */
  float all, slow, fast;
} Scale;
int index_summaries(View *view);
void unindex_summaries(View *view);
const Summary *summary_of(const View *view, int64_t item); /* NULL: the item is not dense */
Scale scale_at(const View *view, const Summary *summary, double time);
void summarise_click(View *view, int64_t slot);
void summarise_log(View *view);
void forget_summaries(View *view, int64_t item);
void renumber_summaries(View *view, const int32_t *row_now);

static inline CoVisit *co_visits_of(const View *view, const Summary *summary) {
  return view->co_visits + (summary - view->summaries) * CO_VISITS;
}

/* clicks.c */
typedef struct {
  uint64_t session;
  double time; /* epoch seconds */
  const uint8_t *codes; /* columns of `context`; 255: none */
  int64_t item, code_count;
  uint32_t user; /* half of the hash */
  uint8_t is_repeated, action;
} Click;
double apply_click(View *view, const Click *click); /* the time of the click in the clock of the profile */
void first_seen(View *view, int64_t item, double time);

/* items.c */
typedef struct {
  double time, published; /* epoch seconds; NaN: at once; KEPT */
  int64_t item;
  int is_available, is_removed; /* the first one may be KEPT */
} ItemChange;
int may_be_shown(const View *view, int64_t item, double now);
int may_be_hot(const View *view, int64_t item, double now);
void change_item(View *view, const ItemChange *change);
void release(View *view);

/* hot.c */
int64_t push_top(float *scores, int32_t *items, int64_t count, int64_t capacity, float score, int32_t item);
void refresh_hot(View *view, double time);
int are_hot_lists_due(const View *view, double time);

/* apply.c */
typedef struct {
  const int64_t *offsets, *items;
  const uint64_t *sessions;
  const double *times;
  const uint8_t *codes, *is_repeated, *actions;
  const uint32_t *users;
  int64_t count, code_count;
} Clicks;
typedef struct {
  const int64_t *offsets, *items;
  const double *times, *published;
  const uint8_t *is_available, *is_removed;
  int64_t count;
} ItemChanges;
int64_t register_items(View *view, const uint64_t *keys, int64_t count, int64_t *rows, int64_t *added);
int64_t apply_clicks(View *view, int64_t beyond, const Clicks *clicks);
int64_t apply_items(View *view, int64_t beyond, const ItemChanges *changes);

/* users.c */
typedef struct {
  const uint64_t *events, *users, *session_ids, *items;
  const double *times;
  const uint8_t *actions;
} Moves;
typedef struct {
  uint8_t *is_accepted, *is_repeated, *is_click;
  uint64_t *prefixes, *sessions;
  int64_t *lengths;
  double *times;
  uint32_t *turned_down;
} Steps;
void advance_user(User *user, const Moves *moves, int64_t click, double silence_s, const Steps *steps);

/* repeats.c; the table is four times as long as the ring */
void index_repeats(const uint64_t *ring, Table table);
int64_t take_repeats(uint64_t *ring, Table table, int64_t until, const uint64_t *users, const uint64_t *events,
                     int64_t count, uint8_t *is_known);

/* layouts.c */
typedef struct {
  const char *name;
  size_t offset, bytes;
} Field;
typedef struct {
  const char *name;
  size_t size;
  const Field *fields; /* the last one has no name */
} Layout;
extern const Layout LAYOUTS[]; /* the last one has no name */

#endif
