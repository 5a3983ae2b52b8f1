/* records.c: what the records of all decisions have in common: UUIDv5, texts of JSON, CloudEvents headers.
 *
 * Format: https://kafka.apache.org/documentation/#recordbatch
 */
#include <stdlib.h>
#include <string.h>

#include "wire.h"

static const uint8_t NAMESPACE[16] = {0x8a, 0x0b, 0x5f, 0x2c, 0x52, 0xf5, 0x5d, 0x0e,
                                      0x9f, 0x7e, 0x3f, 0x1f, 0x2f, 0x6d, 0x9c, 0x11};

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

void put_span(Buffer *to, Span span) {
  put(to, span.at, length_of(span));
}

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

void put_decimal(Buffer *to, int64_t number) {
  uint8_t text[21];
  put(to, text, write_decimal(number, text));
}

/* As orjson escapes; what is not ASCII stays as it is. */
void put_escaped(Buffer *to, Span text) {
  static const char HEX[] = "0123456789abcdef", SHORT[] = "btn\0fr"; /* from backspace on; none for 11 */
  const uint8_t *begin = text.at;
  for (; text.at < text.end; text.at++) {
    const uint8_t byte = *text.at;
    if (byte >= 0x20 && byte != '"' && byte != '\\') continue;
    put(to, begin, (size_t)(text.at - begin));
    begin = text.at + 1;
    char escape[6] = {'\\', (char)byte, '0', '0'};
    const int is_short = byte >= 0x20 || (byte >= 8 && byte <= 13 && byte != 11);
    if (byte < 0x20) {
      escape[1] = is_short ? SHORT[byte - 8] : 'u';
      escape[4] = HEX[byte >> 4];
      escape[5] = HEX[byte & 15];
    }
    put(to, escape, is_short ? 2 : 6);
  }
  put(to, begin, (size_t)(text.end - begin));
}

void write_uuid(Span prefix, int64_t offset, Span suffix, uint8_t *to) {
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
void put_number(Buffer *to, Span *numbers) {
  const uint8_t *begin = numbers->at;
  while (numbers->at < numbers->end && *numbers->at != ',' && *numbers->at != ']') numbers->at++;
  put(to, begin, (size_t)(numbers->at - begin));
  if (numbers->at < numbers->end) numbers->at++;
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

static void put_headers(Buffer *to, Span id, Span type, Span time, Span traceparent) {
  const Span headers[][2] = {
      {SPAN("ce_specversion"), SPAN("1.0")},
      {SPAN("ce_id"), id},
      {SPAN("ce_type"), type},
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

void put_record(Buffer *to, const Record *record, int64_t place) {
  uint8_t varint[10];
  const size_t begin = to->length;
  put(to, "\0\0", 2); /* attributes, and the time since the first record */
  put_varint(to, place);
  put_sized(to, record->key);
  put_sized(to, record->value);
  put_headers(to, record->id, record->type, record->time, record->traceparent);
  const size_t length = to->length - begin, prefix = write_varint((int64_t)length, varint);
  put(to, varint, prefix); /* room for the length, which goes before */
  if (to->is_out_of_memory) return;
  memmove(to->bytes + begin + prefix, to->bytes + begin, length);
  memcpy(to->bytes + begin, varint, prefix);
}
