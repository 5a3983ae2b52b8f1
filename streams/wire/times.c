/* times.c: RFC 3339 to microseconds of the epoch and back. Days by Hinnant, "chrono-compatible low-level date algorithms".
 */
#include "wire.h"

static int64_t days_of(int64_t year, int64_t month, int64_t day) {
  year -= month <= 2;
  const int64_t era = year / 400, of_era = year - era * 400; /* years are positive */
  const int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int64_t days_in(int64_t year, int64_t month) {
  const int is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return month == 2 ? 28 + is_leap : 30 + ((month + month / 8) & 1);
}

/* `count` digits; -1: they are none */
static int64_t digits(Span *cursor, int count) {
  int64_t found = 0;
  if (length_of(*cursor) < (size_t)count) return -1;
  for (int i = 0; i < count; i++, cursor->at++) {
    if (*cursor->at < '0' || *cursor->at > '9') return -1;
    found = found * 10 + (*cursor->at - '0');
  }
  return found;
}

/* Digits behind a separator, up to `most`; -1: they are not there */
static int64_t next(Span *cursor, uint8_t separator, int64_t most) {
  if (!take_byte(cursor, separator)) return -1;
  const int64_t found = digits(cursor, 2);
  return found > most ? -1 : found;
}

static int take_fraction(Span *cursor, int64_t *us) {
  int64_t scale = 100000;
  const uint8_t *begin = cursor->at;
  for (; cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9' && scale; cursor->at++, scale /= 10)
    *us += (*cursor->at - '0') * scale;
  return cursor->at > begin;
}

static int take_zone(Span *cursor, int64_t *minutes) {
  if (take_byte(cursor, 'Z')) return 1;
  const int is_west = cursor->at < cursor->end && *cursor->at == '-';
  const int64_t hours = next(cursor, is_west ? '-' : '+', 23), rest = next(cursor, ':', 59);
  *minutes = (hours * 60 + rest) * (is_west ? -1 : 1);
  return hours >= 0 && rest >= 0;
}

int parse_time(Span text, int64_t *time_us) {
  int64_t us = 0, zone = 0;
  const int64_t year = digits(&text, 4), month = next(&text, '-', 12), day = next(&text, '-', 31);
  const int64_t hour = next(&text, 'T', 23), minute = next(&text, ':', 59), second = next(&text, ':', 59);
  if (year < 1 || month < 1 || day < 1 || day > days_in(year, month) || hour < 0 || minute < 0 || second < 0) return 0;
  if (take_byte(&text, '.') && !take_fraction(&text, &us)) return 0;
  if (!take_zone(&text, &zone) || text.at != text.end) return 0;
  const int64_t minutes = (days_of(year, month, day) * 24 + hour) * 60 + minute - zone;
  *time_us = (minutes * 60 + second) * 1000000 + us;
  return *time_us >= EARLIEST_US && *time_us < LATEST_US;
}

static uint8_t *write_digits(uint8_t *to, int64_t number, int count) {
  for (int i = count; i-- > 0; number /= 10) to[i] = (uint8_t)('0' + number % 10);
  return to + count;
}

size_t write_time(int64_t time_us, uint8_t *to) {
  int64_t us = time_us % 1000000, seconds = time_us / 1000000;
  if (us < 0) us += 1000000, seconds--;
  int64_t days = seconds / 86400, rest = seconds % 86400;
  if (rest < 0) rest += 86400, days--;
  days += 719468;
  const int64_t era = days / 146097, of_era = days - era * 146097;
  const int64_t years = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  const int64_t of_year = of_era - (365 * years + years / 4 - years / 100), part = (5 * of_year + 2) / 153;
  const int64_t month = part + (part < 10 ? 3 : -9);
  const int64_t fields[6] = {years + era * 400 + (month <= 2), month,           of_year - (153 * part + 2) / 5 + 1,
                             rest / 3600,                      rest / 60 % 60, rest % 60};
  uint8_t *at = to;
  for (int i = 0; i < 6; i++) {
    at = write_digits(at, fields[i], i ? 2 : 4);
    *at++ = (uint8_t) "--T::Z"[i];
  }
  if (us) {
    at[-1] = '.';
    at = write_digits(at, us, 6);
    *at++ = 'Z';
  }
  return (size_t)(at - to);
}
