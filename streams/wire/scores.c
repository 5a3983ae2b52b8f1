/* scores.c: a score from its columns to a record of a Kafka batch: UUIDv5, JSON and CloudEvents headers.
 *
 * Byte for byte what streams.asset_outputs makes with orjson: the texts between the values, and the texts of the
 * numbers, come from there. Format: https://kafka.apache.org/documentation/#recordbatch
 */
#include <stdlib.h>
#include <string.h>

#include "wire.h"

static const uint8_t NAMESPACE[16] = {0x8a, 0x0b, 0x5f, 0x2c, 0x52, 0xf5, 0x5d, 0x0e,
                                      0x9f, 0x7e, 0x3f, 0x1f, 0x2f, 0x6d, 0x9c, 0x11};
#define UUID_LENGTH 36

void put(Buffer *to, const void *bytes, size_t length) {
  if (to->capacity - to->length < length) {
    const size_t capacity = 2 * (to->length + length) + 1024;
    uint8_t *larger = to->is_out_of_memory ? NULL : realloc(to->bytes, capacity);
    if (!larger) {
      to->is_out_of_memory = 1;
      return;
    }
    to->bytes = larger;
    to->capacity = capacity;
  }
  if (length) memcpy(to->bytes + to->length, bytes, length);
  to->length += length;
}

static void put_span(Buffer *to, Span span) {
  put(to, span.at, length_of(span));
}

#define PUT(to, literal) put(to, literal, sizeof(literal) - 1)

static size_t write_decimal(int64_t number, uint8_t *to) {
  uint8_t digits[20];
  size_t count = 0;
  uint64_t left = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
  do digits[count++] = (uint8_t)('0' + left % 10);
  while (left /= 10);
  if (number < 0) digits[count++] = '-';
  for (size_t i = 0; i < count; i++) to[i] = digits[count - 1 - i];
  return count;
}

static void put_decimal(Buffer *to, int64_t number) {
  uint8_t text[21];
  put(to, text, write_decimal(number, text));
}

/* Ids have no control characters: a quote and a backslash are all that needs an escape. */
static void put_escaped(Buffer *to, Span text) {
  const uint8_t *begin = text.at;
  for (; text.at < text.end; text.at++)
    if (*text.at == '"' || *text.at == '\\') {
      put(to, begin, (size_t)(text.at - begin));
      PUT(to, "\\");
      begin = text.at;
    }
  put(to, begin, (size_t)(text.end - begin));
}

static void write_uuid(Span prefix, int64_t offset, Span suffix, uint8_t *to) {
  static const char HEX[] = "0123456789abcdef";
  uint8_t digest[20], text[21];
  Sha1 sha1;
  sha1_begin(&sha1);
  sha1_add(&sha1, NAMESPACE, sizeof NAMESPACE);
  sha1_add(&sha1, prefix.at, length_of(prefix));
  sha1_add(&sha1, text, write_decimal(offset, text));
  sha1_add(&sha1, suffix.at, length_of(suffix));
  sha1_end(&sha1, digest);
  digest[6] = (uint8_t)((digest[6] & 0x0F) | 0x50);
  digest[8] = (uint8_t)((digest[8] & 0x3F) | 0x80);
  for (int i = 0; i < 16; i++) {
    if (i == 4 || i == 6 || i == 8 || i == 10) *to++ = '-';
    *to++ = (uint8_t)HEX[digest[i] >> 4];
    *to++ = (uint8_t)HEX[digest[i] & 15];
  }
}

/* The next number, as orjson wrote it. */
static void put_number(Buffer *to, Span *numbers) {
  const uint8_t *begin = numbers->at;
  while (numbers->at < numbers->end && *numbers->at != ',' && *numbers->at != ']') numbers->at++;
  put(to, begin, (size_t)(numbers->at - begin));
  if (numbers->at < numbers->end) numbers->at++;
}

static int put_sensors(Buffer *to, const ScoreTexts *texts, const uint8_t *faults) {
  int is_first = 1;
  for (uint32_t sensor = 0; sensor < texts->sensor_count; sensor++) {
    if (!faults[sensor]) continue;
    if (faults[sensor] >= texts->fault_count) return 0;
    if (!is_first) PUT(to, ",");
    is_first = 0;
    put_span(to, texts->sensors[sensor]);
    put_span(to, texts->faults[faults[sensor]]);
    PUT(to, "\"}");
  }
  return 1;
}

static int put_json(ScoreTexts *texts, const ScoreCause *cause, const TargetText *target, const uint8_t *id, Span time,
                    Span *numbers) {
  Buffer *to = &texts->value;
  const Scored *scored = cause->scored;
  const CauseText *topic = texts->causes + scored->cause;
  to->length = 0;
  PUT(to, "{\"score_id\":\"");
  put(to, id, UUID_LENGTH);
  PUT(to, "\",\"event_time\":\"");
  put_span(to, time);
  PUT(to, "\",\"asset_id\":\"");
  put_escaped(to, cause->key);
  put_span(to, topic->before_offset);
  put_decimal(to, scored->offset);
  PUT(to, ",\"event_id\":\"");
  put_escaped(to, cause->event_id);
  put_span(to, target->before_value);
  put_number(to, numbers);
  PUT(to, ",\"low\":");
  put_number(to, numbers);
  PUT(to, ",\"high\":");
  put_number(to, numbers);
  put_span(to, target->before_health);
  put_number(to, numbers);
  PUT(to, ",\"quality\":\"");
  put_span(to, texts->qualities[scored->quality]);
  PUT(to, "\",\"sensors\":[");
  if (!put_sensors(to, texts, cause->faults)) return 0;
  PUT(to, "]");
  if (scored->regime >= 0) {
    PUT(to, ",\"regime\":");
    put_decimal(to, scored->regime);
  }
  if (scored->is_late) PUT(to, ",\"late\":true");
  PUT(to, "}");
  return 1;
}

static size_t write_varint(int64_t number, uint8_t *to) {
  uint64_t left = (uint64_t)number << 1 ^ (number < 0 ? ~(uint64_t)0 : 0);
  size_t count = 0;
  for (; left > 0x7F; left >>= 7) to[count++] = (uint8_t)(left | 0x80);
  to[count++] = (uint8_t)left;
  return count;
}

static void put_varint(Buffer *to, int64_t number) {
  uint8_t bytes[10];
  put(to, bytes, write_varint(number, bytes));
}

static void put_sized(Buffer *to, Span span) {
  put_varint(to, (int64_t)length_of(span));
  put_span(to, span);
}

#define SPAN(literal) ((Span){(const uint8_t *)(literal), (const uint8_t *)(literal) + sizeof(literal) - 1})

static void put_headers(Buffer *to, Span id, Span time, Span traceparent) {
  const Span headers[][2] = {
      {SPAN("ce_specversion"), SPAN("1.0")},
      {SPAN("ce_id"), id},
      {SPAN("ce_type"), SPAN("millrace.score.v1")},
      {SPAN("ce_source"), SPAN("millrace")},
      {SPAN("ce_time"), time},
      {SPAN("content-type"), SPAN("application/json")},
      {SPAN("traceparent"), traceparent},
  };
  const int count = traceparent.at ? 7 : 6;
  put_varint(to, count);
  for (int i = 0; i < count; i++) {
    put_sized(to, headers[i][0]);
    put_sized(to, headers[i][1]);
  }
}

int write_score(ScoreTexts *texts, const ScoreCause *cause, uint32_t target, Span *numbers, int64_t place, Buffer *to) {
  const Scored *scored = cause->scored;
  const TargetText *text = texts->targets + target;
  uint8_t id[UUID_LENGTH], time[27], varint[10];
  if (scored->cause >= texts->cause_count || scored->quality >= texts->quality_count) return 0;
  write_uuid(texts->causes[scored->cause].id_prefix, scored->offset, text->id_suffix, id);
  const Span time_text = {time, time + write_time(scored->time_us, time)};
  if (!put_json(texts, cause, text, id, time_text, numbers)) return 0;
  const size_t begin = to->length;
  put(to, "\0\0", 2); /* attributes, and the time since the first record */
  put_varint(to, place);
  put_sized(to, cause->key);
  put_sized(to, (Span){texts->value.bytes, texts->value.bytes + texts->value.length});
  put_headers(to, (Span){id, id + UUID_LENGTH}, time_text, cause->traceparent);
  const size_t length = to->length - begin, prefix = write_varint((int64_t)length, varint);
  put(to, varint, prefix); /* room for the length, which goes before */
  if (to->is_out_of_memory || texts->value.is_out_of_memory) return 1;
  memmove(to->bytes + begin + prefix, to->bytes + begin, length);
  memcpy(to->bytes + begin, varint, prefix);
  return 1;
}
