/* wire.h: what the files of this extension share. None of them but module.c knows Python.
 *
 * Layers, each standing on those before it: text.c, hashes.c, times.c; records.c; telemetry.c, scores.c, recommendations.c; those that know Python
 */
#ifndef MILLRACE_WIRE_H
#define MILLRACE_WIRE_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
  const uint8_t *at, *end;
} Span;

static inline size_t length_of(Span span) {
  return (size_t)(span.end - span.at);
}

/* text.c: pieces of JSON. `cursor->at` moves behind what was read. 0: it is ODD, wrong or not for this parser */
typedef struct {
  double value;
  uint64_t digits; /* of an integer, without its sign */
  int is_integer, is_negative;
} Number;

void skip_space(Span *cursor);
int take_byte(Span *cursor, uint8_t byte);
int take_literal(Span *cursor, const char *literal);
int take_string(Span *cursor, Span *string, int *has_escape); /* raw, between its quotes */
int take_number(Span *cursor, Number *number);
int take_scalar(Span *cursor); /* any number, plain string, true, false, null */
int is_utf8(Span text);
size_t characters(Span utf8);

/* hashes.c */
uint64_t blake2b_64(Span text);
uint32_t murmur2(Span key);
typedef struct {
  uint32_t state[5];
  uint64_t length;
  uint8_t block[64];
} Sha1;
void sha1_begin(Sha1 *sha1);
void sha1_add(Sha1 *sha1, const void *data, size_t length);
void sha1_end(Sha1 *sha1, uint8_t digest[20]);

/* times.c */
#define EARLIEST_US 315532800000000  /* 1980-01-01 */
#define LATEST_US 7258118400000000 /* 2200-01-01 */
int parse_time(Span text, int64_t *time_us);     /* RFC 3339 with a zone, to microseconds */
size_t write_time(int64_t time_us, uint8_t *to); /* as orjson does; 27 bytes at most */

/* telemetry.c */
typedef struct {
  Span text; /* a name as it stands in JSON */
  uint64_t hash;
  uint32_t column;
} Spelling;

typedef struct {
  Span name;
  Spelling *spellings; /* the plain one of column c at c, others behind */
  uint32_t columns, spelling_count;
  uint32_t *table, mask; /* place + 1 of a spelling, by hash; 0: none */
} ReadingClass;

#define MOST_NAMES 1024u
#define NAME_SLOTS 4096u
typedef struct {
  ReadingClass *classes;
  uint32_t class_count, width;
  uint64_t names[NAME_SLOTS]; /* hashes of names that the class does not have */
  uint32_t name_turns[NAME_SLOTS], turn; /* the turns in which they came: each object is one */
} Reader;

/* Of one record; streams.wire.HEAD */
typedef struct {
  int64_t time_us;
  uint64_t id_hash; /* 0: it has no id */
  int32_t asset_class; /* -1: pydantic reads it */
  int32_t extra_fields, unknown_readings, unused;
} Head;

int class_index(ReadingClass *asset_class); /* fills `table`; 0: two spellings are one */
int read_telemetry(Reader *reader, Span value, Span key, Head *head, double *row, Span *event_id);

/* records.c: into memory that grows; once there is none left nothing is written any more */
#define BATCH_HEADER 61
#define UUID_LENGTH 36
#define TIME_LENGTH 27
typedef struct {
  uint8_t *bytes;
  size_t length, capacity;
  int is_out_of_memory;
} Buffer;

typedef struct {
  Span key, value, id, type, time, traceparent; /* the last one at NULL: it has none */
} Record;

#define PUT(to, literal) put(to, literal, sizeof(literal) - 1)
#define SPAN(literal) ((Span){(const uint8_t *)(literal), (const uint8_t *)(literal) + sizeof(literal) - 1})
void put(Buffer *to, const void *bytes, size_t length);
void put_span(Buffer *to, Span span);
void put_decimal(Buffer *to, int64_t number);
void put_escaped(Buffer *to, Span text);
void put_number(Buffer *to, Span *numbers); /* the next one of a JSON array, as it stands there */
void write_uuid(Span prefix, int64_t number, Span suffix, uint8_t *to);
void put_record(Buffer *to, const Record *record, int64_t place);

/* scores.c */
typedef struct {
  Span id_prefix, before_offset; /* of the topic that the record is of */
} CauseText;

typedef struct {
  Span id_suffix, before_value, before_health;
} TargetText;

typedef struct {
  CauseText *causes;
  TargetText *targets;
  Span *sensors, *faults, *qualities;
  uint32_t cause_count, target_count, sensor_count, fault_count, quality_count;
  Buffer value;
} ScoreTexts;

/* Of one reading with scores; streams.wire.SCORED */
typedef struct {
  int64_t offset, time_us;
  int16_t regime; /* -1: not told */
  uint8_t quality, cause, is_late;
  uint8_t unused[3];
} Scored;

typedef struct {
  const Scored *scored;
  const uint8_t *faults; /* (1, sensors) */
  Span key, event_id, traceparent; /* at NULL: it has none */
} ScoreCause;

/* One record of a batch; `numbers` moves behind the four of it. 0: a place is out of its table */
int write_score(ScoreTexts *texts, const ScoreCause *cause, uint32_t target, Span *numbers, int64_t place, Buffer *to);

/* recommendations.c */
typedef struct {
  Span id_prefix, before_offset, before_strategy, before_items; /* the same in all of a batch */
} RankingTexts;

typedef struct {
  int64_t offset, time_us;
  Span key, event_id, strategy, traceparent;
  const Span *names; /* of the items, best first */
  uint32_t items;
} Ranking;

void write_recommendation(const RankingTexts *texts, const Ranking *ranking, Span *numbers, int64_t place, Buffer *value,
                          Buffer *to);

#endif
