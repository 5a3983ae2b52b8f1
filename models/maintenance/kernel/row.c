/* row.c: from the fields of a NumPy dtype to a layout whose every place lies within the row. */
#include "row.h"

#include <string.h>

#define NAME(type, name, count) #name,
const char *const ROW_NAMES[ROW_FIELD_COUNT] = {ROW_FIELDS(NAME)};

#define KIND(type) _Generic((type){0}, double: 'f', float: 'f', default: 'u')

static void find_sizes(Sizes *sizes, const GivenField *given) {
  sizes->codes = (int32_t)given[ROW_log_settled].count;
  sizes->targets = (int32_t)given[ROW_applied_at].count;
  sizes->channels = (int32_t)(given[ROW_channels].count / CHANNEL_STATE);
  sizes->checked = (int32_t)(given[ROW_sensors].count / SENSOR_NUMBERS);
  sizes->modes = (int32_t)given[ROW_modes].count;
  sizes->held = (int32_t)given[ROW_held].count;
  sizes->variables = (int32_t)given[ROW_variables].count;
  sizes->marks = (int32_t)given[ROW_window_time].count;
  sizes->log = (int32_t)given[ROW_log_time].count;
  sizes->recent = (int32_t)given[ROW_recent].count;
}

const char *layout_build(Layout *layout, const GivenField *given) {
  const GivenField *field = given;
  Sizes *sizes = &layout->sizes;
  find_sizes(sizes, given);
#define CHECK(type, name, how_many)                                                                                   \
  if (field->kind != KIND(type) || field->item_size != sizeof(type) || field->count < 1 ||                            \
      (int64_t)field->count != (int64_t)(how_many) || field->offset % sizeof(type) ||                                 \
      field->offset + (uint64_t)field->count * sizeof(type) > layout->bytes)                                          \
    return #name;                                                                                                     \
  layout->offsets[ROW_##name] = (field++)->offset;
  ROW_FIELDS(CHECK)
#undef CHECK
  if (sizes->marks > MOST_WINDOW_MARKS) return "window_time";
  return layout->bytes % sizeof(double) ? "the whole" : NULL;
}
