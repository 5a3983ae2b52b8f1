/* repeats.c: a memory of the newest events, whoever's they are.
 *
 * (user, event) ─► key ─► in the index? ─► repeated; else ─► ring, where the oldest leaves ─► index
 */
#include "kernel.h"

/* Into an empty table; 0 in the ring: nothing is there. */
void index_repeats(const uint64_t *ring, Table table) {
  for (int64_t place = 0; place <= table.mask >> 2; place++)
    if (ring[place] != 0) table_insert(table, ring[place], place);
}

/* Returns how many events were ever put in the ring. */
int64_t take_repeats(uint64_t *ring, Table table, int64_t until, const uint64_t *users, const uint64_t *events,
                     int64_t count, uint8_t *is_known) {
  const Records records = {ring, sizeof *ring};
  for (int64_t event = 0; event < count; event++) {
    const uint64_t key = mixed(users[event], events[event]);
    is_known[event] = table_find(table, records, key) >= 0;
    if (is_known[event]) continue;
    const int64_t place = until++ & (table.mask >> 2);
    if (ring[place] != 0) table_remove(table, records, place);
    ring[place] = key;
    table_insert(table, key, place);
  }
  return until;
}
