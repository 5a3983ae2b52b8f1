/* ranking.c: all questions of a batch, and the best of what was found.
 *
 * questions ─► build_rows (candidates and features) ─► scores, or hand_weighted ─► choose_best
 */
#include <math.h>
#include <string.h>

#include "feature_table.h"

#define OWN_DECAY 3.0 /* clicks until the weight of an own item falls by e */

Query question_of(const View *view, const Questions *questions, int64_t which) {
  const int64_t slot = table_find(view->session_table, sessions_of(view), questions->sessions[which]);
  Query query = {
      .length = questions->lengths[which],
      .own_session = slot >= 0 ? view->sessions[slot].number : -1,
      .time = questions->times[which],
      .now = questions->now[which],
      .codes = questions->codes + which * questions->code_count,
      .context = questions->context + which * questions->context_count,
      .turned_down = questions->turned_down + which * TURNED_DOWN,
      .code_count = questions->code_count,
      .context_count = questions->context_count,
  };
  for (int64_t n = 0; n < PREFIX; n++)
    query.prefix[n] =
        n < query.length ? table_find(view->item_table, items_of(view), questions->prefixes[which * PREFIX + n]) : -1;
  return query;
}

/* Candidates and feature rows of all questions, one after another; returns how many in all.
 *
 * `given`: rows in the view of items that somebody asked for: candidates too, if they may be shown. */
int64_t build_rows(const View *view, const Settings *settings, Scratch *scratch, const Questions *questions,
                   const int32_t *given, int64_t given_count, const Found *found) {
  int64_t total = 0;
  for (int64_t which = 0; which < questions->count; which++) {
    const Query query = question_of(view, questions, which);
    Chosen chosen = {found->items + total, 0, smaller_int(settings->max_candidates, found->room - total)};
    gather(view, settings, scratch, &query);
    const int64_t met = scratch->rows;
    choose(view, settings, scratch, &query, &chosen);
    find_best_evidence(scratch, &chosen); /* not of the given: one does not change the score of another */
    found->chosen[which] = chosen.count;
    found->met[which] = met;
    chosen.room = found->room - total;
    choose_given(view, scratch, &query, given, given_count, &chosen);
    write_features(view, scratch, &chosen, &query, met, found->rows + total * found->width, found->width);
    found->counts[which] = chosen.count;
    total += chosen.count;
  }
  return total;
}

static double clicked(const float *row) {
  return row[POPULARITY_2] + row[CONTINUED_1];
}

/* Scores by weights of (evidence, recent, popularity, own); each part is relative to the best of its question.
 * `chosen`: how many of each question's rows, the first of them, say what the best is. */
void hand_weighted(const Ranked *ranked, const double weights[4], double *scores) {
  const float *row = ranked->rows;
  for (int64_t question = 0; question < ranked->questions; question++) {
    double most = 1e-9;
    for (int64_t n = 0; n < ranked->chosen[question]; n++) most = larger(most, clicked(row + n * ranked->width));
    for (int64_t n = 0; n < ranked->counts[question]; n++, row += ranked->width) {
      const double popular = clicked(row) / most;
      const double seen = weights[0] * row[EVIDENCE] + weights[1] * row[RECENT_RELATIVE] + weights[2] * popular;
      *scores++ = seen + weights[3] * exp(-row[CLICKS_SINCE] / OWN_DECAY);
    }
  }
}

/* The best of each question by score plus bonus for the fresh, then by key; insertion into short sorted lists.
 * `top`, `top_scores`: (questions, length) receive places in what was found, and their scores. */
void choose_best(const Ranked *ranked, const double *scores, double bonus, double fresh_age, int64_t length,
                 int64_t *top, double *top_scores) {
  int64_t n = 0;
  for (int64_t question = 0; question < ranked->questions; question++, top += length, top_scores += length) {
    int64_t filled = 0;
    for (const int64_t end = n + ranked->counts[question]; n < end; n++) {
      const double score = scores[n] + (ranked->rows[n * ranked->width + ITEM_AGE] < fresh_age ? bonus : 0.0);
      int64_t place = filled;
      for (; place > 0; place--) {
        const double other = top_scores[place - 1];
        if (other > score || (other == score && ranked->keys[top[place - 1]] < ranked->keys[n])) break;
      }
      if (place == length) continue;
      filled = smaller_int(filled + 1, length);
      memmove(top + place + 1, top + place, (size_t)(filled - 1 - place) * sizeof *top);
      memmove(top_scores + place + 1, top_scores + place, (size_t)(filled - 1 - place) * sizeof *top_scores);
      top[place] = n;
      top_scores[place] = score;
    }
  }
}

/* Those that may be in a list for everybody, each once, in their order; returns how many. */
int64_t shown_once(const View *view, Scratch *scratch, const int32_t *items, int64_t count, double now,
                   int64_t *shown) {
  int64_t kept = 0;
  begin_question(view, scratch);
  for (int64_t n = 0; n < count; n++) {
    const int32_t item = items[n];
    if (item < 0 || scratch->place[item] >> 16 == scratch->query) continue;
    scratch->place[item] = scratch->query << 16;
    if (may_be_hot(view, item, now)) shown[kept++] = item;
  }
  return kept;
}
