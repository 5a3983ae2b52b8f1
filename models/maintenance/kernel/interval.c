/* interval.c: the ends of an interval of a remaining life: value + what the forest said + the offset of the bin;
 * further away where the input is not good.
 *
 * models/maintenance/intervals.py says where the offsets come from.
 */
#include "asset.h"
#include "numbers.h"

/* How many edges are not above the value; all of them where it is NaN. */
static int bin_of(double value, const Bins *bins) {
  int bin = 0;
  while (bin < bins->edge_count && !(value < bins->edges[bin])) bin++;
  return bin;
}

/* An end that lies so many times as far from the value; 1 changes no bit. */
static double widened(double end, double value, double times, double cap) {
  return times > 1.0 ? clip(value + times * (end - value), 0.0, cap) : end;
}

void interval_ends(int64_t count, const Ends *ends, const Bins *bins, double cap) {
  for (int64_t i = 0; i < count; i++) {
    const double value = ends->value[i];
    const int bin = bin_of(value, bins);
    const double low = clip(value + ends->low[i] + bins->low[bin], 0.0, cap);
    const double high = clip(value + ends->high[i] + bins->high[bin], 0.0, cap);
    const double times = bins->widened[ends->quality[i] > POOR ? POOR : max_count(ends->quality[i], GOOD)];
    ends->lower[i] = isnan(low) ? low : widened(min_of(low, value), value, times, cap);
    ends->upper[i] = isnan(high) ? high : widened(max_of(high, value), value, times, cap);
  }
}
