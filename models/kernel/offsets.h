/* offsets.h: the check of an array of offsets, for load.c and load_trees.c. */
#ifndef MILLRACE_OFFSETS_H
#define MILLRACE_OFFSETS_H

#include "forest.h"

/* `count` + 1 offsets into `total` elements: from 0 to the end, never falling. */
static inline int offsets_are_valid(const Array *offsets, size_t count, size_t total) {
  const uint32_t *at = offsets->data;
  if (offsets->bytes != (count + 1) * sizeof *at || at[0] != 0 || at[count] != total) return 0;
  for (size_t i = 0; i < count; i++)
    if (at[i] > at[i + 1]) return 0;
  return 1;
}

#endif
