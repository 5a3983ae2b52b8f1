/* text.c: the pieces of JSON that readings are made of, no more forgiving than pydantic's parser.
 *
 * A number becomes the double that is nearest, ties to even, as of any correct parser (Clinger 1990): exact
 * where digits and power of ten both are, by one division or product of 128 bits where they are of 64. What has
 * more than 19 digits, or a power beyond 10^19, is left to others.
 */
#include <math.h>
#include <string.h>

#include "wire.h"

__extension__ typedef unsigned __int128 Wide;

static const double EXACT[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                               1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

void skip_space(Span *cursor) {
  while (cursor->at < cursor->end &&
         (*cursor->at == ' ' || *cursor->at == '\n' || *cursor->at == '\r' || *cursor->at == '\t'))
    cursor->at++;
}

int take_byte(Span *cursor, uint8_t byte) {
  if (cursor->at >= cursor->end || *cursor->at != byte) return 0;
  cursor->at++;
  return 1;
}

int take_literal(Span *cursor, const char *literal) {
  const size_t length = strlen(literal);
  if (length_of(*cursor) < length || memcmp(cursor->at, literal, length) != 0) return 0;
  cursor->at += length;
  return 1;
}

int take_string(Span *cursor, Span *string, int *has_escape) {
  *has_escape = 0;
  if (!take_byte(cursor, '"')) return 0;
  string->at = cursor->at;
  for (; cursor->at < cursor->end; cursor->at++) {
    if (*cursor->at == '"') {
      string->end = cursor->at++;
      return 1;
    }
    if (*cursor->at < 0x20) return 0;
    if (*cursor->at == '\\') {
      *has_escape = 1;
      if (++cursor->at >= cursor->end) return 0; /* what is escaped may be a quote */
    }
  }
  return 0;
}

static double power(uint64_t ten) {
  return EXACT[ten];
}

/* digits / 10^power, 1 to 19: 64 bits of the quotient or more, the last one set where there is a rest */
static double quotient(uint64_t digits, int ten) {
  uint64_t divisor = 1;
  for (int i = 0; i < ten; i++) divisor *= 10;
  const int shift = __builtin_clzll(digits);
  const Wide whole = (Wide)(digits << shift) << 64;
  Wide found = whole / divisor;
  if (found * divisor != whole) found |= 1;
  return ldexp((double)found, -64 - shift);
}

static double product(uint64_t digits, int ten) {
  Wide found = digits;
  for (int i = 0; i < ten; i++) found *= 10;
  return (double)found;
}

static int is_digit(const Span *cursor) {
  return cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9';
}

/* Digits from here on, joined to those before. How many there are. */
static size_t take_digits(Span *cursor, uint64_t *digits, int *significant) {
  const uint8_t *begin = cursor->at;
  for (; is_digit(cursor); cursor->at++) {
    if (*digits || *cursor->at != '0') ++*significant;
    if (*significant > 19) return 0;
    *digits = *digits * 10 + (uint64_t)(*cursor->at - '0');
  }
  return (size_t)(cursor->at - begin);
}

static int take_exponent(Span *cursor, int *exponent) {
  cursor->at++;
  const int is_negative = take_byte(cursor, '-');
  if (!is_negative) take_byte(cursor, '+');
  uint64_t digits = 0;
  int significant = 0;
  if (!take_digits(cursor, &digits, &significant) || digits > 400) return 0;
  *exponent += is_negative ? -(int)digits : (int)digits;
  return 1;
}

static int to_double(Number *number, int exponent) {
  const uint64_t digits = number->digits;
  if (digits == 0) number->value = 0.0;
  else if (digits >> 53 == 0 && exponent >= -22 && exponent <= 22)
    number->value = exponent < 0 ? (double)digits / power((uint64_t)-exponent) : (double)digits * power((uint64_t)exponent);
  else if (exponent < -19 || exponent > 19) return 0;
  else number->value = exponent < 0 ? quotient(digits, -exponent) : product(digits, exponent);
  if (number->is_negative && !(number->is_integer && digits == 0)) number->value = -number->value;
  return 1;
}

int take_number(Span *cursor, Number *number) {
  int significant = 0, exponent = 0;
  *number = (Number){.is_integer = 1, .is_negative = take_byte(cursor, '-')};
  const uint8_t *begin = cursor->at;
  const size_t whole = take_digits(cursor, &number->digits, &significant);
  if (!whole || (whole > 1 && *begin == '0')) return 0;
  if (take_byte(cursor, '.')) {
    number->is_integer = 0;
    const size_t parts = take_digits(cursor, &number->digits, &significant);
    if (!parts || parts > 400) return 0;
    exponent = -(int)parts;
  }
  if (cursor->at < cursor->end && (*cursor->at | 0x20) == 'e') {
    number->is_integer = 0;
    if (!take_exponent(cursor, &exponent)) return 0;
  }
  return to_double(number, exponent);
}

int take_scalar(Span *cursor) {
  Number number;
  Span string;
  int has_escape;
  if (cursor->at >= cursor->end) return 0;
  switch (*cursor->at) {
  case '"':
    return take_string(cursor, &string, &has_escape) && !has_escape;
  case 't':
    return take_literal(cursor, "true");
  case 'f':
    return take_literal(cursor, "false");
  case 'n':
    return take_literal(cursor, "null");
  default:
    return take_number(cursor, &number);
  }
}

static int is_ascii(Span text) {
  uint64_t word, found = 0;
  for (; length_of(text) >= 8; text.at += 8) {
    memcpy(&word, text.at, 8);
    found |= word;
  }
  for (; text.at < text.end; text.at++) found |= *text.at;
  return (found & 0x8080808080808080u) == 0;
}

/* Unicode 15, table 3-7 */
int is_utf8(Span text) {
  if (is_ascii(text)) return 1;
  while (text.at < text.end) {
    const uint8_t first = *text.at++;
    if (first < 0x80) continue;
    const size_t more = first < 0xC2 || first > 0xF4 ? 0 : first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;
    if (more == 0 || length_of(text) < more) return 0;
    const uint8_t low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    const uint8_t high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    if (text.at[0] < low || text.at[0] > high) return 0;
    for (size_t i = 1; i < more; i++)
      if (text.at[i] >> 6 != 2) return 0;
    text.at += more;
  }
  return 1;
}

size_t characters(Span utf8) {
  size_t count = 0;
  for (; utf8.at < utf8.end; utf8.at++) count += *utf8.at >> 6 != 2;
  return count;
}
