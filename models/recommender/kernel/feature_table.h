/* feature_table.h: the ranker's features, in the order of a row and of the manifest. Python has the names from here.
 *
 * A new feature is a line of this table and the line in features.c that writes it. Behind these come the features of
 * the context, whose names the profile gives: see features.py. "Relative" is against the best candidate of the
 * question. Times are in the clock of the profile.
 */
#ifndef MILLRACE_RECOMMENDER_FEATURE_TABLE_H
#define MILLRACE_RECOMMENDER_FEATURE_TABLE_H

#include "question.h"

/* Columns of the evidence: neighbours_relative and so on, then cosine and so on */
#define RELATIVE(X)                                                                                      \
  X(NEIGHBOURS) X(NEIGHBOURS_RECENT) X(NEIGHBOURS_AFTER) X(AFTER_LAST) X(AFTER) X(BEFORE_LAST) X(BEFORE) \
  X(RECENT_LAST) X(RECENT) X(COSINE) X(DIRECTED) X(NEAREST) X(COSINE_MAX) X(COSINE_ROOT)                 \
  X(NEIGHBOURS_RARE) X(SECOND_ORDER)
#define ABSOLUTE(X)                                                                                      \
  X(NEIGHBOURS) X(NEIGHBOURS_RECENT) X(AFTER) X(AFTER_LAST) X(RECENT) X(COSINE) X(COVERED) X(DIRECTED)   \
  X(NEIGHBOUR_COUNT) X(NEAR_SECOND) X(SECOND_ORDER) X(NEXT)

#define FEATURES(X)                                                     \
  /* the item */                                                        \
  X(POPULARITY_1) /* recent clicks, by the half-lives of the profile */ \
  X(POPULARITY_2)                                                       \
  X(POPULARITY_3)                                                       \
  X(POPULARITY_4)                                                       \
  X(TREND_SHORT) /* popularity_1 against popularity_2 */                \
  X(TREND_LONG)                                                         \
  X(ITEM_AGE)                                                           \
  X(ITEM_IDLE) /* since its last click */                               \
  X(CONTINUED_1) /* clicks that continued from another item */          \
  X(CONTINUED_2)                                                        \
  X(CONTINUED_SHARE)                                                    \
  X(ITEM_CLICKS)                                                        \
  X(ITEM_REPEAT_RATE)                                                   \
  /* the session */                                                     \
  X(TIMES_IN_SESSION)                                                   \
  X(CLICKS_SINCE)                                                       \
  X(IS_FIRST_OF_SESSION)                                                \
  X(SESSION_LENGTH)                                                     \
  X(SESSION_VARIETY)                                                    \
  /* confidence in the evidence */                                      \
  X(NEXT_RATE)                                                          \
  X(COSINE_LAST)                                                        \
  X(TOGETHER_RATE)                                                      \
  X(RECENT_RATE)                                                        \
  X(EVIDENCE)                                                           \
  X(BEST_NEIGHBOURS)                                                    \
  X(BEST_AFTER)                                                         \
  X(LAST_ITEM_CLICKS)                                                   \
  X(LAST_ITEM_AGE)                                                      \
  X(ITEMS_MET)

#define AS_RELATIVE(name) name##_RELATIVE,
#define AS_ABSOLUTE(name) name##_ABSOLUTE,
enum { RELATIVE(AS_RELATIVE) ABSOLUTE(AS_ABSOLUTE) FEATURES(AS_NUMBER) FIRST_CONTEXT };

#endif
