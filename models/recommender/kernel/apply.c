/* apply.c: one record of the feed, in the order of its offsets.
 *
 * keys ─► register_items ─► rows;  clicks ─► apply_clicks, item changes ─► apply_items ─► released, hot lists if due
 */
#include "kernel.h"

/* Row of each key, in order of first appearance; `added` receives where the new ones are. Returns how many are new,
 * or -1: there is no room for all of them. */
int64_t register_items(View *view, const uint64_t *keys, int64_t count, int64_t *rows, int64_t *added) {
  int64_t new_items = 0;
  for (int64_t place = 0; place < count; place++) {
    int64_t row = table_find(view->item_table, items_of(view), keys[place]);
    if (row < 0) {
      row = view->counters[ITEMS] + new_items;
      if (row >= view->item_room) return -1;
      view->items[row].key = keys[place];
      view->items[row].is_available = 1;
      table_insert(view->item_table, keys[place], row);
      added[new_items++] = place;
    }
    rows[place] = row;
  }
  return new_items;
}

static void release_if_due(View *view) {
  if (view->clocks[RELEASE_AT] <= view->clocks[EVENTS]) release(view);
}

int64_t apply_clicks(View *view, int64_t beyond, const Clicks *clicks) {
  int64_t applied = 0;
  for (int64_t n = 0; n < clicks->count; n++) {
    if (clicks->offsets[n] <= beyond || clicks->items[n] < 0) continue;
    const double time = apply_click(view, &(Click){
        .session = clicks->sessions[n],
        .time = clicks->times[n],
        .codes = clicks->codes + n * clicks->code_count,
        .item = clicks->items[n],
        .code_count = clicks->code_count,
        .user = clicks->users[n],
        .is_repeated = clicks->is_repeated[n],
        .action = clicks->actions[n],
    });
    release_if_due(view);
    if (are_hot_lists_due(view, time)) refresh_hot(view, view->clocks[NOW]);
    applied++;
  }
  return applied;
}

int64_t apply_items(View *view, int64_t beyond, const ItemChanges *changes) {
  int64_t applied = 0;
  for (int64_t n = 0; n < changes->count; n++) {
    if (changes->offsets[n] <= beyond) continue;
    change_item(view, &(ItemChange){
        .time = changes->times[n],
        .published = changes->published[n],
        .item = changes->items[n],
        .is_available = changes->is_available[n],
        .is_removed = changes->is_removed[n],
    });
    release_if_due(view);
    applied++;
  }
  return applied;
}
