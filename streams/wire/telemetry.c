/* telemetry.c: one reading from its JSON to a row of numbers, in one pass.
 *
 * Whatever is not the canonical shape of schemas.Telemetry is refused without a word, for pydantic to read and to judge:
 * escapes and numbers as texts where they matter, values in values, a field that comes twice, limits that are passed.
 */
#include <math.h>
#include <string.h>

#include "wire.h"

#define MOST_ID_CHARS 200u
#define MOST_PROBES 32u
enum { EVENT_ID, EVENT_TIME, ASSET_ID, ASSET_CLASS, READINGS, FIELDS };
static const char *const NAMES[FIELDS] = {"event_id", "event_time", "asset_id", "asset_class", "readings"};

typedef struct {
  Span event_id, asset_id, readings; /* at NULL: it was not there */
  ReadingClass *asset_class;
  unsigned seen; /* bits of fields */
} Found;

static uint64_t hash_of(Span text) { /* FNV-1a */
  uint64_t hash = 0xcbf29ce484222325u;
  for (; text.at < text.end; text.at++) hash = (hash ^ *text.at) * 0x100000001b3u;
  return hash ^ hash >> 32;
}

static int is_same(Span a, Span b) {
  return length_of(a) == length_of(b) && memcmp(a.at, b.at, length_of(a)) == 0;
}

static int is_text(Span span, const char *text) {
  return length_of(span) == strlen(text) && memcmp(span.at, text, strlen(text)) == 0;
}

int class_index(ReadingClass *asset_class) {
  for (uint32_t i = 0; i < asset_class->spelling_count; i++) {
    Spelling *one = asset_class->spellings + i;
    one->hash = hash_of(one->text);
    uint32_t at = (uint32_t)one->hash & asset_class->mask;
    for (; asset_class->table[at]; at = (at + 1) & asset_class->mask)
      if (is_same(asset_class->spellings[asset_class->table[at] - 1].text, one->text)) return 0;
    asset_class->table[at] = i + 1;
  }
  return 1;
}

/* The column of a name, -1: the class has none. `expected` is tried first: producers keep an order. */
static int64_t column_of(const ReadingClass *asset_class, Span name, uint32_t expected, uint64_t *hash) {
  if (expected < asset_class->columns && is_same(asset_class->spellings[expected].text, name)) return expected;
  *hash = hash_of(name);
  for (uint32_t at = (uint32_t)*hash & asset_class->mask; asset_class->table[at]; at = (at + 1) & asset_class->mask) {
    const Spelling *one = asset_class->spellings + asset_class->table[at] - 1;
    if (one->hash == *hash && is_same(one->text, name)) return one->column;
  }
  return -1;
}

/* 0: the name was there before in this turn, or may have been, or there are too many */
static int is_new(Reader *reader, uint64_t hash, int32_t count) {
  if (count >= (int32_t)MOST_NAMES) return 0;
  uint32_t at = (uint32_t)(hash >> 20) % NAME_SLOTS;
  for (uint32_t probes = 0; probes < MOST_PROBES; probes++, at = (at + 1) % NAME_SLOTS) {
    if (reader->name_turns[at] != reader->turn) {
      reader->name_turns[at] = reader->turn;
      reader->names[at] = hash;
      return 1;
    }
    if (reader->names[at] == hash) return 0;
  }
  return 0;
}

static void begin_turn(Reader *reader) {
  if (++reader->turn == 0) { /* it has come round: what was seen then must not count */
    memset(reader->name_turns, 0, sizeof reader->name_turns);
    reader->turn = 1;
  }
}

/* The value of a sensor: a number, or null, which is NaN. */
static int take_value(Span *cursor, double *value) {
  Number number;
  if (cursor->at < cursor->end && *cursor->at == 'n') {
    *value = NAN;
    return take_literal(cursor, "null");
  }
  if (!take_number(cursor, &number)) return 0;
  *value = number.value;
  return 1;
}

static int take_reading(Reader *reader, const ReadingClass *asset_class, Span *cursor, uint32_t *expected, Head *head,
                        double *row) {
  Span name;
  int has_escape;
  uint64_t hash = 0;
  if (!take_string(cursor, &name, &has_escape)) return 0;
  skip_space(cursor);
  if (!take_byte(cursor, ':')) return 0;
  skip_space(cursor);
  if (!asset_class) return take_scalar(cursor); /* it is read again when the class is known */
  const int64_t column = column_of(asset_class, name, *expected, &hash);
  if (column < 0) return !has_escape && is_new(reader, hash, head->unknown_readings++) && take_scalar(cursor);
  *expected = (uint32_t)column + 1;
  return take_value(cursor, row + column); /* of a name that comes twice the last one counts */
}

static int take_readings(Reader *reader, const ReadingClass *asset_class, Span *cursor, Head *head, double *row) {
  uint32_t expected = 0;
  begin_turn(reader);
  if (!take_byte(cursor, '{')) return 0;
  do {
    skip_space(cursor);
    if (!take_reading(reader, asset_class, cursor, &expected, head, row)) return 0;
    skip_space(cursor);
  } while (take_byte(cursor, ','));
  return take_byte(cursor, '}');
}

/* A text of 1 to 200 printable characters, or an integer, which stands for its digits. */
static int take_id(Span *cursor, Span *id) {
  Number number;
  int has_escape;
  if (cursor->at < cursor->end && *cursor->at != '"') {
    id->at = cursor->at;
    if (!take_number(cursor, &number) || !number.is_integer || (number.is_negative && !number.digits)) return 0;
    id->end = cursor->at;
    return length_of(*id) <= 18;
  }
  if (!take_string(cursor, id, &has_escape) || has_escape || id->at == id->end) return 0;
  if (memchr(id->at, 0x7F, length_of(*id))) return 0;
  return length_of(*id) <= MOST_ID_CHARS || characters(*id) <= MOST_ID_CHARS;
}

static int take_time(Span *cursor, int64_t *time_us) {
  Number number;
  Span text;
  int has_escape;
  if (cursor->at < cursor->end && *cursor->at == '"')
    return take_string(cursor, &text, &has_escape) && parse_time(text, time_us);
  if (!take_number(cursor, &number) || !number.is_integer || number.is_negative) return 0;
  if (number.digits < EARLIEST_US / 1000 || number.digits >= LATEST_US / 1000) return 0;
  *time_us = (int64_t)number.digits * 1000;
  return 1;
}

static int take_class(Reader *reader, Span *cursor, Found *found, Head *head) {
  Span name;
  int has_escape;
  if (!take_string(cursor, &name, &has_escape)) return 0;
  for (uint32_t i = 0; i < reader->class_count; i++)
    if (is_same(reader->classes[i].name, name)) {
      found->asset_class = reader->classes + i;
      head->asset_class = (int32_t)i;
      return 1;
    }
  return 0;
}

static int take_known(Reader *reader, int field, Span *cursor, Found *found, Head *head, double *row) {
  switch (field) {
  case EVENT_ID:
    return take_id(cursor, &found->event_id);
  case EVENT_TIME:
    return take_time(cursor, &head->time_us);
  case ASSET_ID:
    return take_id(cursor, &found->asset_id);
  case ASSET_CLASS:
    return take_class(reader, cursor, found, head);
  default:
    found->readings = *cursor;
    return take_readings(reader, found->asset_class, cursor, head, row);
  }
}

static int take_field(Reader *reader, Span *cursor, Found *found, Span *extras, Head *head, double *row) {
  Span name;
  int has_escape, field = 0;
  if (!take_string(cursor, &name, &has_escape) || has_escape) return 0;
  skip_space(cursor);
  if (!take_byte(cursor, ':')) return 0;
  skip_space(cursor);
  while (field < FIELDS && !is_text(name, NAMES[field])) field++;
  if (field < FIELDS) {
    const unsigned bit = 1u << field;
    if (found->seen & bit) return 0;
    found->seen |= bit;
    if (field == READINGS && !found->asset_class) found->seen |= 1u << FIELDS; /* to be read again */
    return take_known(reader, field, cursor, found, head, row);
  }
  for (int32_t i = 0; i < head->extra_fields; i++)
    if (is_same(extras[i], name)) return 0;
  if (head->extra_fields == 16) return 0;
  extras[head->extra_fields++] = name;
  return take_scalar(cursor);
}

static int take_event(Reader *reader, Span cursor, Found *found, Head *head, double *row) {
  Span extras[16];
  skip_space(&cursor);
  if (!take_byte(&cursor, '{')) return 0;
  do {
    skip_space(&cursor);
    if (!take_field(reader, &cursor, found, extras, head, row)) return 0;
    skip_space(&cursor);
  } while (take_byte(&cursor, ','));
  if (!take_byte(&cursor, '}')) return 0;
  skip_space(&cursor);
  return cursor.at == cursor.end;
}

int read_telemetry(Reader *reader, Span value, Span key, Head *head, double *row, Span *event_id) {
  const unsigned needed = 1u << EVENT_TIME | 1u << ASSET_ID | 1u << ASSET_CLASS | 1u << READINGS;
  Found found = {0};
  *head = (Head){.asset_class = -1};
  for (uint32_t i = 0; i < reader->width; i++) row[i] = NAN;
  int is_read = is_utf8(value) && take_event(reader, value, &found, head, row) && (found.seen & needed) == needed;
  if (is_read && found.seen >> FIELDS) is_read = take_readings(reader, found.asset_class, &found.readings, head, row);
  if (!is_read || !is_same(found.asset_id, key)) {
    head->asset_class = -1;
    return 0;
  }
  *event_id = found.event_id;
  head->id_hash = 0;
  if (found.event_id.at) {
    const uint64_t hash = blake2b_64(found.event_id);
    head->id_hash = hash ? hash : 1;
  }
  return 1;
}
