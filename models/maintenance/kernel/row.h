/* row.h: the row of an asset, whose fields depend on its class. models/maintenance/rows.py says what each one means.
 *
 * NumPy dtype of the class -> Layout, once -> row_at: pointers to the fields of one row
 */
#ifndef MILLRACE_ROW_H
#define MILLRACE_ROW_H

#include <stddef.h>
#include <stdint.h>

enum {
  LEVELS = 3,          /* severities */
  REMEMBERED_IDS = 4,  /* of readings, whole */
  SERVICE_IDS = 3,     /* of log entries about service */
  OTHER_IDS = 1,       /* of those that have no effect */
  CHANNEL_STATE = 19,  /* float of a channel, see recursions.c */
  SENSOR_NUMBERS = 5,  /* float of a sensor that is checked, see sensors.h */
  SENSOR_COUNTS = 7,   /* bytes of it */
  MOST_WINDOW_MARKS = 64,
};

/* Sizes of the rows of a class. Fields of what a class has none of have one place. */
typedef struct {
  int32_t channels, errors, components, targets;
  int32_t codes;    /* errors, components, the asset as a whole */
  int32_t checked;  /* sensors whose faults are told: places in the row */
  int32_t modes, held, variables, marks, log, recent;
} Sizes;

/* Type, name, how many there are by `sizes` */
#define ROW_FIELDS(FIELD)                                                                                             \
  FIELD(double, newest, 1)                                                                                            \
  FIELD(double, stepped_at, 1)                                                                                        \
  FIELD(double, arrived, 1)                                                                                           \
  FIELD(double, behind_at, 1)                                                                                         \
  FIELD(double, behind_lag, 1)                                                                                        \
  FIELD(uint64_t, deviating, 1)                                                                                       \
  FIELD(double, life_first, 1)                                                                                        \
  FIELD(double, renewed_at, 1)                                                                                        \
  FIELD(double, service_at, 1)                                                                                        \
  FIELD(double, window_past, 1)                                                                                       \
  FIELD(uint64_t, ids, REMEMBERED_IDS)                                                                                \
  FIELD(double, log_time, sizes->log)                                                                                 \
  FIELD(double, log_settled, sizes->codes)                                                                            \
  FIELD(double, applied_at, sizes->targets)                                                                           \
  FIELD(double, raised_at, sizes->targets)                                                                            \
  FIELD(double, judged_at, 1)                                                                                         \
  FIELD(uint32_t, log_ids, SERVICE_IDS + OTHER_IDS)                                                                   \
  FIELD(uint32_t, window_time, sizes->marks)                                                                          \
  FIELD(float, behind_span, 1)                                                                                        \
  FIELD(float, channels, sizes->channels * CHANNEL_STATE)                                                             \
  FIELD(float, modes, sizes->modes)                                                                                   \
  FIELD(float, sensors, SENSOR_NUMBERS * sizes->checked)                                                              \
  FIELD(float, fall, 3)                                                                                               \
  FIELD(float, held, sizes->held)                                                                                     \
  FIELD(float, variables, sizes->variables)                                                                           \
  FIELD(float, value, sizes->targets)                                                                                 \
  FIELD(float, steady, sizes->targets)                                                                                \
  FIELD(float, steady_before, sizes->targets)                                                                         \
  FIELD(float, waiting, sizes->targets)                                                                               \
  FIELD(float, waiting_step, 1)                                                                                       \
  FIELD(uint32_t, seen, 1)                                                                                            \
  FIELD(uint32_t, late, 1)                                                                                            \
  FIELD(uint32_t, duplicates, 1)                                                                                      \
  FIELD(uint32_t, alert, sizes->targets)                                                                              \
  FIELD(uint16_t, sequence, sizes->targets)                                                                           \
  FIELD(uint16_t, beyond, sizes->targets * LEVELS)                                                                    \
  FIELD(uint16_t, within, sizes->targets * LEVELS)                                                                    \
  FIELD(uint16_t, bridged, 1)                                                                                         \
  FIELD(uint16_t, window_tag, sizes->marks)                                                                           \
  FIELD(uint16_t, recent, sizes->recent)                                                                              \
  FIELD(uint8_t, sensor_counts, SENSOR_COUNTS * sizes->checked)                                                       \
  FIELD(uint8_t, doubted, 1)                                                                                          \
  FIELD(uint8_t, id_place, 1)                                                                                         \
  FIELD(uint8_t, recent_place, 1)                                                                                     \
  FIELD(uint8_t, log_id_place, 1)                                                                                     \
  FIELD(uint8_t, behind, 1)                                                                                           \
  FIELD(uint8_t, parts, 1)                                                                                            \
  FIELD(uint8_t, comes_in_parts, 1)                                                                                   \
  FIELD(uint8_t, knows_variables, 1)                                                                                  \
  FIELD(uint8_t, service, 1)                                                                                          \
  FIELD(uint8_t, log_tag, sizes->log)                                                                                 \
  FIELD(uint8_t, log_code, sizes->log)                                                                                \
  FIELD(uint8_t, is_filtered, sizes->targets)                                                                         \
  FIELD(uint8_t, is_active, sizes->targets * LEVELS)                                                                  \
  FIELD(uint8_t, severity, sizes->targets)

/* The places of the fields */
#define ROW_PLACE(type, name, count) ROW_##name,
enum { ROW_FIELDS(ROW_PLACE) ROW_FIELD_COUNT };
#undef ROW_PLACE

typedef struct {
  size_t bytes;
  uint32_t offsets[ROW_FIELD_COUNT];
  Sizes sizes;
} Layout;

/* One row: `*row->seen`, `row->log_time[place]`. Whatever bytes it holds, no place that it names is trusted. */
typedef struct {
#define ROW_POINTER(type, name, count) type *name;
  ROW_FIELDS(ROW_POINTER)
#undef ROW_POINTER
  const Sizes *sizes;
  uint8_t *bytes;
} Row;

static inline Row row_at(const Layout *layout, uint8_t *bytes) {
  return (Row){
#define ROW_AT(type, name, count) .name = (type *)(void *)(bytes + layout->offsets[ROW_##name]),
      ROW_FIELDS(ROW_AT)
#undef ROW_AT
      .sizes = &layout->sizes, .bytes = bytes};
}

/* What a field of a NumPy dtype is, in the order of ROW_FIELDS. */
typedef struct {
  uint32_t offset, item_size, count;
  char kind;
} GivenField;

extern const char *const ROW_NAMES[ROW_FIELD_COUNT];
/* NULL, or the name of the first field that is not as it must be. Sizes but `errors` and `components` are found. */
const char *layout_build(Layout *layout, const GivenField *given);

/* Code + 1 of an entry of the log; 0: there is none. */
static inline int log_code_at(const Row *row, int place) {
  return row->log_code[place] <= row->sizes->codes ? row->log_code[place] : 0;
}

static inline int severity_of(const Row *row, int target) {
  return row->severity[target] <= LEVELS ? row->severity[target] : LEVELS;
}

#endif
