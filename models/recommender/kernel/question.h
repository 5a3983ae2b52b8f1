/* question.h: what the files share that answer questions to a view.
 *
 * Query ─► evidence.c, gathering.c (of each item that is met) ─► candidates.c ─► features.c;  ranking.c: of a batch
 *
 * Each item that is met gets a row of accumulators. Co-visitation weighs by distance in clicks, age of the prefix item
 * and recency of the session; nearest sessions follow VSTAN (Garg et al., STAN, SIGIR 2019; Ludewig et al. 2020) in a
 * long and a short memory.
 */
#ifndef MILLRACE_RECOMMENDER_QUESTION_H
#define MILLRACE_RECOMMENDER_QUESTION_H

#include "kernel.h"

/* Columns of the accumulators; Python has their names from here. The first ones are sums over pairs of a candidate and
 * a prefix item, the next ones over votes of near sessions: each pair, each vote adds to all of them at once. */
#define COLUMNS(X)                                                                                     \
  X(AFTER)             /* seen after any item of the prefix, slow decay */                             \
  X(BEFORE)                                                                                            \
  X(RECENT)            /* seen after (half: before) any, fast decay */                                 \
  X(DIRECTED)          /* cosine with distance, direction and slow decay */                            \
  X(NEXT)              /* the very next click after any */                                             \
  X(COSINE)            /* within the window of any, divided by the root of both items' clicks */       \
  X(COSINE_PART)       /* cosine with the prefix item that is being read */                            \
  X(PAIRS)             /* with the prefix item that is being read; by distance, if it is not the last */ \
  X(NEIGHBOURS)        /* similarity of the nearest sessions that have the item, long memory */        \
  X(NEIGHBOUR_COUNT)                                                                                   \
  X(NEIGHBOURS_AFTER)  /* long memory, where the item came after the shared one */                     \
  X(NEIGHBOURS_RECENT) /* in the short memory */                                                       \
  X(NEAREST)           /* similarity of the nearest session that has it */                             \
  X(AGE_COUNTED)       /* age + 1 of the prefix item counted last */                                   \
  X(COVERED)           /* items of the prefix that it was seen with */                                 \
  X(SECOND_ORDER)      /* seen with the items that have most DIRECTED */                               \
  X(AFTER_LAST)        /* of the last item of the prefix alone */                                      \
  X(BEFORE_LAST)                                                                                       \
  X(RECENT_LAST)                                                                                       \
  X(NEXT_LAST)                                                                                         \
  X(TOGETHER_LAST)     /* within the window of the last, not weighted */                               \
  X(COSINE_MAX)                                                                                        \
  X(COSINE_ROOT)       /* sum over the prefix of the root of the cosine */                             \
  X(NEAR_SECOND)       /* seen after or before the second last, by distance */                         \
  X(NEIGHBOURS_RARE)   /* NEIGHBOURS against the item's own clicks */
enum { COLUMNS(AS_NUMBER) WIDTH };
enum { SUMS_OF_PAIRS = NEIGHBOURS, FIRST_VOTE = NEIGHBOURS, SUMS_OF_VOTES = NEAREST - NEIGHBOURS };

/* One question. `time` is in the clock of the profile. */
typedef struct {
  int64_t prefix[PREFIX]; /* rows of the session's items, oldest first; -1: not in the view, or none */
  int64_t length;         /* of the prefix; 0: the user has only turned down items */
  int64_t own_session;    /* number of the asking session, which is not read; -1: not in the view */
  double time, now;       /* now: epoch seconds; items that are published later are no candidates */
  const uint8_t *codes;
  const float *context;
  const uint32_t *turned_down; /* (20,) halves of the hashes of items that the user wants no more; 0 after the last */
  int64_t code_count, context_count;
} Query;

/* Working memory of the questions to a view; its content means nothing between two of them. The large arrays are
 * address space: a page of them is memory once it was written. */
enum {
  TOUCHED = 65536,       /* rows of evidence, sessions, occurrences */
  NO_ROOM = TOUCHED - 1, /* the last row takes what has no room, and nobody reads it */
  STRIDE = 32,           /* floats from one row of evidence to the next: two cache lines, the first one has all sums */
  FEW_CLICKS = 1024,     /* of items with fewer the roots and logarithms are kept */
};
typedef struct {
  uint16_t met;     /* which of the sessions met */
  uint8_t position; /* of the item in it */
} Occurrence;

/* The sessions met, in the order of meeting */
typedef struct {
  int64_t count;
  int32_t *slot;
  uint8_t *shared_at; /* position of the item that was met first */
  uint8_t *counted;   /* age of the prefix item counted last */
  float *similarity, *similarity_recent; /* in the long and the short memory */
  float *passed_slow, *passed_fast;      /* decays of co-visits */
  float *lasting, *recent;               /* similarities by recency and length too */
} Met;

typedef struct {
  int64_t query, rows; /* number of the question; items met */
  int64_t *place;      /* by item: number of the question * 65536 + its row */
  uint32_t *met_at;    /* by slot: number of the question (16 bits) * 65536 + its place among those met */
  float (*evidence)[STRIDE];
  int32_t *touched; /* item of each row */
  uint8_t *chosen;  /* by row */
  Met met;
  Occurrence *occurrences; /* of the prefix item that is being read */
  int32_t *counted;        /* rows that it was seen with */
  int64_t *words;          /* of the log, while the second order is read */
  float *values;           /* scores while they are sorted */
  float *columns;          /* (QUOTAS, rows) evidence by generator */
  float *top_scores;       /* the best while they are looked for */
  int32_t *top_rows;       /* whose they are */
  int64_t work;            /* how often a row of evidence was added to, for this question */
  float best[WIDTH];       /* largest value of each accumulator among the candidates */
  float rarities[FEW_CLICKS], logarithms[FEW_CLICKS]; /* by clicks */
} Scratch;

Scratch *scratch_new(const View *view); /* scratch.c; NULL: out of memory */
void scratch_free(Scratch *scratch);
void begin_question(const View *view, Scratch *scratch);
int64_t new_row(Scratch *scratch, int64_t item);

/* The item's row of accumulators, zeroed at first touch. */
static inline int64_t row_of(Scratch *scratch, int64_t item) {
  const int64_t known = scratch->place[item];
  return known >> 16 == scratch->query ? known & 0xFFFF : new_row(scratch, item);
}
static inline float larger_float(float a, float b) {
  return b > a ? b : a;
}

/* scratch.c */
float rarity(const Scratch *scratch, int32_t clicks);           /* 1 / root of clicks + 5 */
float logarithm_of_more(const Scratch *scratch, int32_t clicks); /* of clicks + 1 */

/* evidence.c */
enum {
  CHAINS = 32,      /* of the log, walked at once */
  ALL_READS = 1024, /* occurrences of the items of a prefix at most, whatever the profile says */
  ALL_PAIRS = 8192, /* of those that are not dense, about */
};
float decay(double passed, double constant);
void walk_chains(const View *view, Scratch *scratch, const int32_t *items, int64_t count, int64_t reads);
void read_prefix(const View *view, const Settings *settings, Scratch *scratch, const Query *query);

/* gathering.c */
void gather(const View *view, const Settings *settings, Scratch *scratch, const Query *query);

/* candidates.c */
extern const int GENERATORS[QUOTAS];
typedef struct {
  int32_t *items; /* rows in the catalogue */
  int64_t count, room;
} Chosen;
void choose(const View *view, const Settings *settings, Scratch *scratch, const Query *query, Chosen *chosen);
void choose_given(const View *view, Scratch *scratch, const Query *query, const int32_t *given, int64_t given_count,
                  Chosen *chosen);

/* features.c */
int64_t feature_count(const View *view, int64_t code_count, int64_t context_count);
void find_best_evidence(Scratch *scratch, const Chosen *chosen);
void write_features(const View *view, Scratch *scratch, const Chosen *chosen, const Query *query, int64_t met,
                    float *rows, int64_t width);

/* ranking.c */
typedef struct { /* n questions */
  const uint64_t *prefixes, *sessions; /* (n, 20) keys of items, oldest first; (n,) */
  const int64_t *lengths;
  const double *times, *now;
  const uint8_t *codes;
  const float *context;
  const uint32_t *turned_down;
  int64_t count, code_count, context_count;
} Questions;
typedef struct {
  int32_t *items;
  float *rows;
  int64_t *counts, *chosen, *met; /* (n,) candidates of each question, those that were not given, items met */
  int64_t room, width;            /* rows, features */
} Found;
Query question_of(const View *view, const Questions *questions, int64_t which);
int64_t build_rows(const View *view, const Settings *settings, Scratch *scratch, const Questions *questions,
                   const int32_t *given, int64_t given_count, const Found *found);
typedef struct {
  const uint64_t *keys; /* NULL: not asked for */
  const float *rows;
  const int64_t *counts, *chosen;
  int64_t questions, width;
} Ranked;
void hand_weighted(const Ranked *ranked, const double weights[4], double *scores);
void choose_best(const Ranked *ranked, const double *scores, double bonus, double fresh_age, int64_t length,
                 int64_t *top, double *top_scores);
int64_t shown_once(const View *view, Scratch *scratch, const int32_t *items, int64_t count, double now, int64_t *shown);

#endif
