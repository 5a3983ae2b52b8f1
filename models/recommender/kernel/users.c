/* users.c: one click in the row of its user.
 *
 * click ─► a duplicate? ─► turned down or taken back ─► session begun or gone on ─► prefix ─► what it came to
 */
#include <string.h>

#include "kernel.h"

enum { MOST_COUNTED_OF_USER = 15 }; /* what four bits hold */
#define COUNTED_FOR_S 3600.0

/* Remembers the event otherwise. */
static int is_duplicate(User *user, uint64_t event) {
  for (int known = 0; known < RECENT_EVENTS; known++)
    if (user->events[known] == event) return 1;
  user->events[user->event] = event;
  user->event = (uint16_t)((user->event + 1) % RECENT_EVENTS);
  return 0;
}

/* Put the item in front. */
static void turn_down(User *user, uint64_t item) {
  const uint32_t half = (uint32_t)(item >> 32);
  int place = 0;
  while (place < TURNED_DOWN - 1 && user->turned_down[place] != 0 && user->turned_down[place] != half) place++;
  memmove(user->turned_down + 1, user->turned_down, (size_t)place * sizeof half);
  user->turned_down[0] = half;
}

static void take_back(User *user, uint64_t item) {
  const uint32_t half = (uint32_t)(item >> 32);
  int kept = 0;
  for (int place = 0; place < TURNED_DOWN; place++)
    if (user->turned_down[place] != half) user->turned_down[kept++] = user->turned_down[place];
  while (kept < TURNED_DOWN) user->turned_down[kept++] = 0;
}

static int begins_session(const User *user, uint64_t session_id, double time, double silence_s) {
  if (user->sessions == 0) return 1;
  if (session_id != 0) return session_id != user->session_id;
  return time - user->last > silence_s;
}

static void begin_session(User *user, uint64_t user_hash, uint64_t session_id) {
  user->sessions++;
  user->length = 0;
  user->session_id = session_id;
  user->session = mixed(user_hash, session_id ? session_id : user->sessions);
}

/* To the session's newest items. */
static void append(User *user, uint64_t item) {
  if (user->length == PREFIX) memmove(user->prefix, user->prefix + 1, --user->length * sizeof item);
  user->prefix[user->length++] = item;
}

/* The user clicked the item so often lately that it is not popularity; counts the click otherwise. */
static int is_repeated(User *user, uint64_t item) {
  if (user->last - user->counted_since > COUNTED_FOR_S) {
    user->counted_since = user->last;
    memset(user->counted, 0, sizeof user->counted);
  }
  const int counter = (int)(item & 0x7F), shift = 4 * (counter & 1);
  uint8_t *byte = user->counted + (counter >> 1);
  if ((*byte >> shift & MOST_COUNTED_OF_USER) == MOST_COUNTED_OF_USER) return 1;
  *byte = (uint8_t)(*byte + (1 << shift));
  return 0;
}

/* Outputs are zero before; of a duplicate they stay so. */
void advance_user(User *user, const Moves *moves, int64_t click, double silence_s, const Steps *steps) {
  const uint64_t item = moves->items[click], event = moves->events[click];
  if (event == 0 || is_duplicate(user, event)) return;
  const int is_click = moves->actions[click] != TURN_DOWN;
  if (!is_click) turn_down(user, item);
  else if (moves->actions[click] != VIEW) take_back(user, item);
  const double time = moves->times[click];
  if (is_click && begins_session(user, moves->session_ids[click], time, silence_s))
    begin_session(user, moves->users[click], moves->session_ids[click]);
  user->last = larger(user->last, time);
  if (is_click) {
    append(user, item);
    steps->is_repeated[click] = (uint8_t)is_repeated(user, item);
  }
  steps->is_accepted[click] = 1;
  steps->is_click[click] = (uint8_t)is_click;
  steps->lengths[click] = user->length;
  steps->sessions[click] = user->session;
  steps->times[click] = user->last;
  memcpy(steps->turned_down + click * TURNED_DOWN, user->turned_down, sizeof user->turned_down);
  memcpy(steps->prefixes + click * PREFIX, user->prefix, user->length * sizeof item);
}
