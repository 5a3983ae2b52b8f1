/* question.h: what the files share that answer questions to a view.
 *
 * Query ─► evidence.c, gathering.c (evidence of each item that is met) ─► candidates.c ─► features.c; ranking.c: of a batch
 *
 * Each item that is met gets a row of accumulators. Co-visitation weighs by distance in clicks, age of the prefix item
 * and recency of the session; nearest sessions follow VSTAN (Garg et al., STAN, SIGIR 2019; Ludewig et al. 2020) in a
 * long and a short memory.
 */
#ifndef MILLRACE_RECOMMENDER_QUESTION_H
#define MILLRACE_RECOMMENDER_QUESTION_H

#include "kernel.h"

/* Columns of the accumulators; Python has their names from here. */
#define COLUMNS(X)                                                                                     \
  X(NEIGHBOURS)        /* similarity of the nearest sessions that have the item, long memory */        \
  X(NEIGHBOURS_RECENT) /* the same in the short memory */                                              \
  X(NEIGHBOURS_AFTER)  /* long memory, where the item came after the shared one */                     \
  X(AFTER_LAST)        /* seen after the last item of the prefix, slow decay */                        \
  X(AFTER)             /* seen after any */                                                            \
  X(BEFORE_LAST)                                                                                       \
  X(BEFORE)                                                                                            \
  X(RECENT_LAST)       /* seen after (half: before) the last, fast decay */                            \
  X(RECENT)                                                                                            \
  X(NEXT_LAST)         /* the very next click after the last */                                        \
  X(TOGETHER_LAST)     /* within the window of the last, not weighted */                               \
  X(COSINE)            /* within the window of any, divided by the root of both items' clicks */       \
  X(COVERED)           /* items of the prefix that it was seen with */                                 \
  X(NEXT)              /* the very next click after any */                                             \
  X(AGE_COUNTED)       /* age + 1 of the prefix item counted last */                                   \
  X(SECOND_ORDER)      /* seen with the items that have most DIRECTED */                               \
  X(DIRECTED)          /* cosine with distance, direction and slow decay */                            \
  X(NEAREST)           /* similarity of the nearest session that has it */                             \
  X(NEIGHBOUR_COUNT)                                                                                   \
  X(COSINE_PART)       /* cosine with the prefix item that is being read */                            \
  X(COSINE_MAX)                                                                                        \
  X(COSINE_ROOT)       /* sum over the prefix of the root of the cosine */                             \
  X(NEAR_SECOND)       /* seen after or before the second last, by distance */                         \
  X(NEIGHBOURS_RARE)   /* NEIGHBOURS against the item's own clicks */
enum { COLUMNS(AS_NUMBER) WIDTH };

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

/* A session that shares an item with the prefix */
typedef struct {
  float lasting, recent; /* similarities in the long and the short memory; 0: not met in this question */
  float shared_at;       /* position of the shared item */
  float counted;         /* age of the prefix item counted last */
} Similarity;

/* Working memory of the questions to a view; its content means nothing between two of them. The large arrays are
 * address space: a page of them is memory once it was written. */
enum { TOUCHED = 65536, NO_ROOM = TOUCHED - 1 }; /* rows; the last one takes what has no room, and nobody reads it */
typedef struct {
  int64_t query, rows, met; /* number of the question; items and sessions met */
  int64_t *place;           /* by item: number of the question * 65536 + its row */
  float (*evidence)[WIDTH];
  int32_t *touched;       /* item of each row */
  uint8_t *chosen;        /* by row */
  Similarity *similarity; /* by slot */
  int32_t *near;          /* slots of the sessions met */
  float *lasting, *recent; /* their similarities, by recency and length too */
  float *values;           /* similarities while they are sorted */
  float *top_scores;       /* the best while they are looked for */
  int32_t *top_rows;       /* whose they are */
  float best[WIDTH];       /* largest value of each accumulator among the candidates */
} Scratch;

Scratch *scratch_new(const View *view); /* scratch.c; NULL: out of memory */
void scratch_free(Scratch *scratch);
void begin_question(Scratch *scratch);
int64_t new_row(Scratch *scratch, int64_t item);

/* The item's row of accumulators, zeroed at first touch. */
static inline int64_t row_of(Scratch *scratch, int64_t item) {
  const int64_t known = scratch->place[item];
  return known >> 16 == scratch->query ? known & 0xFFFF : new_row(scratch, item);
}
static inline float larger_float(float a, float b) {
  return b > a ? b : a;
}

/* evidence.c */
float decay(double passed, double constant);
float rarity(int32_t clicks); /* 1 / root of clicks + 5 */
void close_part(float *row);
void read_prefix(const View *view, const Settings *settings, Scratch *scratch, const Query *query);

/* gathering.c */
float threshold(const float *scores, int64_t length, int64_t count, float *values);
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
