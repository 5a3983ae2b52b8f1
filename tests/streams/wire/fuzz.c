/* fuzz.c: readings that were changed at random, and scores with any bytes, under the sanitizers of the compiler.
 *
 * Values lie in memory of exactly their size, so that a read beyond them is found. Arguments: rounds, seed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire.h"

#define MOST 4096
static uint64_t state;

static uint64_t next_random(void) { /* xorshift */
  state ^= state << 13;
  state ^= state >> 7;
  return state ^= state << 17;
}

static size_t below(size_t limit) {
  return (size_t)(next_random() % limit);
}

#define TEXT(literal) {(const uint8_t *)(literal), (const uint8_t *)(literal) + sizeof(literal) - 1}
static const Span SEEDS[] = {
    TEXT("{\"event_id\":\"e-1\",\"event_time\":\"2026-09-21T12:00:00.5Z\",\"asset_id\":\"a\",\"asset_class\":\"pump\","
         "\"readings\":{\"heat\":20.25,\"shake\":1,\"flow\":null,\"more\":\"x\",\"speed\":1.7976931348623157}}"),
    TEXT("{\"readings\": {\"speed\": -1.5e-7, \"heat\": 1234567890123456.789}, \"site\": \"n\xc3\xb6rth\", "
         "\"asset_class\": \"pump\", \"asset_id\": 17, \"event_time\": 1790000000000}\n"),
    TEXT("{\"asset_id\":\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\",\"asset_class\":\"press\",\"extra\":true,"
         "\"event_time\":\"2000-02-29T23:59:59-12:34\",\"readings\":{\"Temp [\\u00b0C]\":0.1,\"heat\":0}}"),
};
static const Span KEYS[] = {TEXT("a"), TEXT("17"), TEXT("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80")}; /* of the seeds */
static const char TOKENS[][12] = {"\"", "\\", "{", "}", ",", ":", "null", "1e400", "-0", "\"heat\":1,", "\xff", "\xed\xa0\x80"};

/* A seed with some changes, copied to memory of its size */
static Span changed(size_t which) {
  uint8_t text[MOST];
  const Span seed = SEEDS[which];
  size_t length = length_of(seed);
  memcpy(text, seed.at, length);
  for (size_t changes = below(6); changes > 0; changes--) {
    const size_t at = below(length + 1), cut = below(4) ? 0 : below(length - at + 1);
    const char *token = TOKENS[below(sizeof TOKENS / sizeof *TOKENS)];
    const size_t added = below(3) ? strlen(token) : 0;
    if (at < length && !below(2)) text[at] = (uint8_t)next_random();
    if (length - cut + added > MOST) continue;
    memmove(text + at + added, text + at + cut, length - at - cut);
    memcpy(text + at, token, added);
    length += added - cut;
  }
  uint8_t *copy = malloc(length ? length : 1);
  if (!copy) abort();
  memcpy(copy, text, length);
  return (Span){copy, copy + length};
}

static Spelling spellings[2][4] = {
    {{TEXT("heat"), 0, 0}, {TEXT("shake"), 0, 1}, {TEXT("speed"), 0, 2}},
    {{TEXT("heat"), 0, 0}, {TEXT("Temp [\xc2\xb0" "C]"), 0, 1}, {TEXT("Temp [\\u00b0C]"), 0, 1}},
};
static uint32_t tables[2][16];
static ReadingClass classes[2] = {
    {TEXT("pump"), spellings[0], 3, 3, tables[0], 15},
    {TEXT("press"), spellings[1], 2, 3, tables[1], 15},
};
static Reader reader = {.classes = classes, .class_count = 2, .width = 3};

static int read_one(void) {
  const size_t which = below(3);
  const Span value = changed(which);
  double *row = malloc(reader.width * sizeof *row);
  Head head;
  Span id;
  if (!row) abort();
  if (!below(1000)) reader.turn = UINT32_MAX;
  const int is_read = read_telemetry(&reader, value, KEYS[which], &head, row, &id);
  if (is_read && (head.asset_class < 0 || head.asset_class > 1 || head.time_us < EARLIEST_US)) abort();
  free(row);
  free((void *)value.at);
  return is_read;
}

static void write_one(ScoreTexts *texts, Buffer *to) {
  const Span key = changed(0), id = changed(1), trace = changed(2), numbers = changed(below(3));
  const uint8_t faults[2] = {(uint8_t)below(4), (uint8_t)below(4)};
  Scored scored = {.offset = (int64_t)next_random(), .time_us = (int64_t)next_random() >> below(64)};
  scored.regime = (int16_t)below(9) - 1;
  scored.quality = (uint8_t)below(4);
  scored.cause = (uint8_t)below(3);
  scored.is_late = (uint8_t)below(2);
  if (scored.time_us < EARLIEST_US || scored.time_us >= LATEST_US) scored.time_us = EARLIEST_US;
  const ScoreCause cause = {&scored, faults, key, id, below(2) ? trace : (Span){0}};
  Span left = numbers; /* any bytes, where an array of numbers is expected */
  to->length = 0;
  write_score(texts, &cause, 0, &left, (int64_t)below(1000), to);
  if (left.at > left.end) abort();
  free((void *)key.at);
  free((void *)id.at);
  free((void *)trace.at);
  free((void *)numbers.at);
}

static void recommend_one(Buffer *value, Buffer *to) {
  const RankingTexts texts = {TEXT("t/1/"), TEXT("\","), TEXT("\"}"), TEXT("\",")};
  const Span user = changed(0), item = changed(1), numbers = changed(below(3));
  const Span names[3] = {item, user, item};
  Ranking ranking = {.offset = (int64_t)next_random(), .time_us = EARLIEST_US, .names = names};
  ranking.key = ranking.event_id = ranking.strategy = user;
  ranking.items = (uint32_t)below(4);
  Span left = numbers;
  to->length = 0;
  write_recommendation(&texts, &ranking, &left, (int64_t)below(1000), value, to);
  if (left.at > left.end) abort();
  free((void *)user.at);
  free((void *)item.at);
  free((void *)numbers.at);
}

int main(int count, char **arguments) {
  const long rounds = count > 1 ? atol(arguments[1]) : 100000;
  long read = 0;
  state = count > 2 ? strtoull(arguments[2], NULL, 10) | 1 : 1;
  CauseText causes[2] = {{TEXT("t/1/"), TEXT("x")}, {TEXT("m/1/"), TEXT("")}};
  TargetText target = {TEXT("/score/wear"), TEXT("value"), TEXT("health")};
  Span sensors[2] = {TEXT("one"), TEXT("two")}, words[3] = {TEXT("ok"), TEXT("flat"), TEXT("stuck")};
  ScoreTexts texts = {causes, &target, sensors, words, words, 2, 1, 2, 3, 3, {0}};
  Buffer to = {0}, value = {0};
  if (!class_index(classes) || !class_index(classes + 1)) return 1;
  for (long i = 0; i < rounds; i++) {
    read += read_one();
    if (i % 8 == 0) write_one(&texts, &to);
    if (i % 8 == 4) recommend_one(&value, &to);
  }
  free(to.bytes);
  free(value.bytes);
  free(texts.value.bytes);
  printf("%ld of %ld were read\n", read, rounds);
  return read == 0;
}
