/* threshold.c: the n-th largest of some numbers. */
#include <string.h>

#include "kernel.h"

/* Hoare's quickselect. */
static float partition(float *values, int64_t length, int64_t goal) {
  for (int64_t low = 0, high = length - 1; low < high;) {
    const float pivot = values[(low + high) >> 1];
    int64_t left = low, right = high;
    while (left <= right) {
      while (values[left] < pivot) left++;
      while (values[right] > pivot) right--;
      if (left > right) break;
      const float value = values[left];
      values[left++] = values[right];
      values[right--] = value;
    }
    if (goal <= right) high = right;
    else if (goal >= left) low = left;
    else break;
  }
  return values[goal];
}

/* The `count`-th largest score, 0 if there are not more. `values` has room for all, and is overwritten. */
float threshold(const float *scores, int64_t length, int64_t count, float *values) {
  if (length <= count) return 0.0f;
  memcpy(values, scores, (size_t)length * sizeof *scores);
  return partition(values, length, length - count);
}
