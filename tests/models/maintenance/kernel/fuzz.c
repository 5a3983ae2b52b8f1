/* fuzz.c: rows of any bytes and events with any values through all kernels, under the sanitizers of the compiler.
 *
 * Arrays lie in memory of exactly their size, so that what is read or written beyond them is found. Arguments: rounds,
 * seed. Each round makes up a class, rows and a batch.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "numbers.h"
#include "watch.h"

static uint64_t state;

static uint64_t next_random(void) { /* xorshift */
  state ^= state << 13;
  state ^= state >> 7;
  return state ^= state << 17;
}

static int below(int limit) {
  return (int)(next_random() % (uint64_t)limit);
}

static double any_number(void) {
  static const double ODD[] = {NAN, INFINITY, -INFINITY, 0.0, -0.0, 1e308, -1e308, 1e-310, 1e12, 4294967296.0};
  const int kind = below(8);
  if (kind == 0) return ODD[below(10)];
  if (kind < 3) return 1.7e9 + below(1000000) / 8.0;
  return (below(2000001) - 1000000) / (kind < 5 ? 1e6 : 1e3);
}

enum { MOST_BLOCKS = 64 };
static void *blocks[MOST_BLOCKS];
static int block_count;

static void *block(size_t bytes) {
  void *found = calloc(1, bytes ? bytes : 1);
  if (!found || block_count == MOST_BLOCKS) abort();
  return blocks[block_count++] = found;
}

static void free_all(void) {
  while (block_count) free(blocks[--block_count]);
}

static void *garbage(size_t bytes) {
  uint8_t *found = block(bytes);
  const int is_tame = below(3) == 0; /* small numbers reach further */
  for (size_t i = 0; i < bytes; i++) found[i] = is_tame && below(4) ? (uint8_t)below(4) : (uint8_t)next_random();
  return found;
}

static double *numbers(int count) {
  double *found = block(sizeof(double) * (size_t)count);
  for (int i = 0; i < count; i++) found[i] = any_number();
  return found;
}

static int64_t *places(int count, int limit) {
  int64_t *found = block(sizeof(int64_t) * (size_t)count);
  for (int i = 0; i < count; i++) found[i] = below(limit);
  return found;
}

/* A layout of such sizes, its fields one after the other. */
static Layout layout_of(const Sizes *sizes) {
  Layout layout = {0};
  GivenField given[ROW_FIELD_COUNT], *field = given;
  uint32_t offset = 0;
#define KIND(type) _Generic((type){0}, double: 'f', float: 'f', default: 'u')
#define GIVE(type, name, how_many)                                                                                    \
  *field++ = (GivenField){offset, sizeof(type), (uint32_t)(how_many), KIND(type)};                                    \
  offset += (uint32_t)(how_many) * (uint32_t)sizeof(type);
  ROW_FIELDS(GIVE)
#undef GIVE
  layout.bytes = (offset + 7) / 8 * 8;
  if (layout_build(&layout, given)) abort();
  return layout;
}

static Sizes any_sizes(void) {
  Sizes sizes = {.channels = 1 + below(8), .errors = below(4), .components = below(4), .variables = 1 + below(3)};
  sizes.codes = sizes.errors + sizes.components + 1;
  sizes.targets = sizes.components ? sizes.components : 1;
  sizes.checked = 1 + below(9);
  sizes.modes = 1 + below(MODES);
  sizes.held = 1 + below(20);
  sizes.marks = below(2) ? 12 : 8;
  sizes.log = 1 + below(24);
  sizes.recent = 1 + below(128);
  return sizes;
}

static Prepared any_class(const Layout *layout, const Sizes *sizes) {
  Prepared of = {.sizes = layout->sizes, .variables = below(sizes->variables + 1), .constants = below(3)};
  of.sizes.errors = sizes->errors;
  of.sizes.components = sizes->components;
  of.readings = 1 + below(12);
  of.sensors = 1 + below(of.readings);
  of.regimes = 1 + below(4);
  of.chosen_count = 1 + below(FEATURE_COUNT);
  of.has_age = below(2);
  of.can_hold = of.readings + of.variables + of.constants <= sizes->held;
  of.fall_channel = below(sizes->channels + 1) - 1;
  of.fall_limit = below(2) ? 3.0 : any_number();
  of.unit_s = below(4) ? 60.0 : any_number();
  of.features = sizes->channels * of.chosen_count + of.has_age;
  of.features += sizes->errors * WINDOWS + sizes->codes - 1 + of.constants;
  const int r = of.regimes, s = of.sensors, k = sizes->channels, v = of.variables;
  of.centre = numbers(v);
  of.scale = numbers(v);
  of.centroids = numbers(r * v);
  of.reach = numbers(r);
  of.mean = numbers(r * s);
  of.sd = numbers(r * s);
  of.weights = numbers(r * k * s);
  of.bias = numbers(r * k);
  of.trust = numbers(r * k);
  of.expected_offset = numbers(r * s);
  of.expected_load = numbers(r * s * k);
  of.noise = numbers(r * s);
  of.kept = places(s, of.readings);
  of.chosen = places(of.chosen_count, FEATURE_COUNT);
  if (s > sizes->checked || below(2)) return of;
  const int modes = below(sizes->modes + 1);
  of.check = (Check){s, modes, numbers(r * REGIME_COLUMNS * s), numbers(SENSOR_COLUMNS * s), numbers(r * s * modes)};
  return of;
}

static Events any_events(int count, int rows, const Prepared *of) {
  Events events = {.count = count, .slots = places(count, rows), .code = garbage(2 * (size_t)count)};
  int8_t *kind = block((size_t)count);
  for (int i = 0; i < count; i++)
    kind[i] = (int8_t)(below(2) ? READING : below(5) ? below(AHEAD + 1) : below(256) - 128);
  int16_t *code = (int16_t *)events.code;
  for (int i = 0; i < count; i++)
    if (below(5)) code[i] = (int16_t)(below(of->sizes.codes + 3) - 1);
  events.kind = kind;
  events.time_s = numbers(count);
  events.arrived_s = below(4) ? numbers(count) : NULL;
  events.event_id = (uint64_t *)places(count, 12);
  events.readings = numbers(count * of->readings);
  events.variables = numbers(count * of->variables);
  events.constants = numbers(count * of->constants);
  return events;
}

static Seen nothing_seen(int count, const Prepared *of) {
  const size_t n = (size_t)count, targets = (size_t)of->sizes.targets;
  return (Seen){.status = block(n), .regime = block(2 * n), .step = block(8 * n), .is_renewed = block(n * targets),
                .features = block(4 * n * (size_t)of->features), .role = block(n), .hold = block(n * targets),
                .is_set_back = block(n), .quality = block(n), .faults = block(n * (size_t)of->readings),
                .is_bridged = block(n), .is_excused = block(n)};
}

static int64_t decide_any(const Layout *layout, uint8_t *rows, const Events *events, const Seen *seen) {
  const int targets = layout->sizes.targets, count = (int)events->count;
  const Policy policy = {.sign = below(2) ? 1 : -1, .pull = any_number(), .steady_pull = 0.5,
                         .pull_units = any_number(), .ceiling = any_number(), .high = 125.0, .errors = below(4), .parts = below(4), .on = numbers(targets * LEVELS),
                         .clear = numbers(targets * LEVELS), .on_delay = places(targets * LEVELS, 5),
                         .off_delay = places(targets * LEVELS, 5)};
  Journal journal = {numbers(count * targets), block((size_t)count),
                     block(sizeof(Transition) * (size_t)(MOST_TRANSITIONS * targets * count)), 0};
  decide(layout, rows, events, seen, numbers(count * targets), &policy, &journal);
  return journal.count;
}

static int64_t watch_any(int rows, const Events *events, const Seen *seen, const Prepared *of) {
  const WatchInput given = {.events = events, .status = seen->status, .role = seen->role, .quality = seen->quality,
                            .hold = seen->hold, .is_bridged = seen->is_bridged,
                            .is_set_back = seen->is_set_back, .is_excused = seen->is_excused, .faults = seen->faults,
                            .sensors = of->readings, .targets = of->sizes.targets, .whole = of->sizes.codes - 1,
                            .patience = {3.0, 60.0}};
  DataJournal journal = {block(sizeof(DataTransition) * (size_t)(MOST_DATA_TRANSITIONS * events->count)), 0};
  watch(garbage(sizeof(WatchRow) * (size_t)rows), &given, &journal);
  return journal.count;
}

static void interval_any(int count) {
  const int edges = below(5);
  const Ends ends = {numbers(count), numbers(count),           numbers(count),
                     garbage((size_t)count), numbers(count), numbers(count)};
  const Bins bins = {edges, numbers(edges), numbers(edges + 1), numbers(edges + 1), numbers(POOR + 1)};
  interval_ends(count, &ends, &bins, any_number());
}

int main(int count, char **arguments) {
  const long rounds = count > 1 ? atol(arguments[1]) : 1000;
  int64_t told = 0;
  state = count > 2 ? strtoull(arguments[2], NULL, 10) | 1 : 1;
  for (long i = 0; i < rounds; i++) {
    enum { ROWS = 3, EVENTS = 40 };
    const Sizes sizes = any_sizes();
    const Layout layout = layout_of(&sizes);
    const Prepared of = any_class(&layout, &sizes);
    uint8_t *rows = below(3) ? garbage(ROWS * layout.bytes) : block(ROWS * layout.bytes);
    const Events events = any_events(EVENTS, ROWS, &of);
    Seen seen = nothing_seen(EVENTS, &of);
    Work *work = work_new(&of, layout.bytes);
    if (!work) return 1;
    observe(&layout, rows, &events, &of, work, &seen);
    if (!below(3)) seen.role = garbage(EVENTS);
    if (!below(3)) seen.status = garbage(EVENTS);
    told += decide_any(&layout, rows, &events, &seen) + watch_any(ROWS, &events, &seen, &of);
    interval_any(EVENTS);
    work_free(work);
    free_all();
  }
  printf("%lld transitions\n", (long long)told);
  return told == 0;
}
