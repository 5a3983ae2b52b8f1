/* tables.c: open-addressing tables that turn 64-bit keys into rows.
 *
 * key ─► its place, and those behind it until one is empty ─► row
 */
#include "kernel.h"

/* One of two, never 0 (finaliser of splitmix64). */
uint64_t mixed(uint64_t a, uint64_t b) {
  uint64_t x = a ^ b * 0x9E3779B97F4A7C15u;
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
  x = (x ^ x >> 27) * 0x94D049BB133111EBu;
  x ^= x >> 31;
  return x ? x : 1;
}

static int64_t home_of(Table table, uint64_t key) {
  return (int64_t)(key & (uint64_t)table.mask);
}

int64_t table_find(Table table, Records records, uint64_t key) {
  for (int64_t place = home_of(table, key); table.places[place]; place = (place + 1) & table.mask) {
    const int64_t row = table.places[place] - 1;
    if (key_of(records, row) == key) return row;
  }
  return -1;
}

void table_insert(Table table, uint64_t key, int64_t row) {
  int64_t place = home_of(table, key);
  while (table.places[place]) place = (place + 1) & table.mask;
  table.places[place] = (int32_t)(row + 1);
}

/* Closes the gap (Knuth 6.4, algorithm R). */
void table_remove(Table table, Records records, int64_t row) {
  int64_t gap = home_of(table, key_of(records, row));
  while (table.places[gap] != row + 1) {
    if (!table.places[gap]) return;
    gap = (gap + 1) & table.mask;
  }
  for (int64_t place = (gap + 1) & table.mask; table.places[place]; place = (place + 1) & table.mask) {
    const int64_t home = home_of(table, key_of(records, table.places[place] - 1));
    if (((place - home) & table.mask) < ((place - gap) & table.mask)) continue;
    table.places[gap] = table.places[place];
    gap = place;
  }
  table.places[gap] = 0;
}

int table_is_sound(Table table, Records records, int64_t rows) {
  int64_t used = 0;
  for (int64_t place = 0; place <= table.mask; place++) {
    if (table.places[place] < 0 || table.places[place] > rows) return 0;
    used += table.places[place] != 0;
  }
  if (used > rows || 2 * used > table.mask + 1) return 0;
  for (int64_t place = 0; place <= table.mask; place++) {
    const int64_t row = table.places[place] - 1;
    if (row >= 0 && table_find(table, records, key_of(records, row)) != row) return 0;
  }
  return 1;
}
