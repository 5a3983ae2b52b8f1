/* recommendations.c: a recommendation from its columns to a record of a Kafka batch.
 *
 * Byte for byte what streams.recommend makes with orjson, as scores.c.
 */
#include "wire.h"

static void put_items(Buffer *to, const Ranking *ranking, Span *numbers) {
  for (uint32_t i = 0; i < ranking->items; i++) {
    if (i) PUT(to, ",");
    PUT(to, "{\"item_id\":\"");
    put_escaped(to, ranking->names[i]);
    PUT(to, "\",\"score\":");
    put_number(to, numbers);
    PUT(to, "}");
  }
}

void write_recommendation(const RankingTexts *texts, const Ranking *ranking, Span *numbers, int64_t place, Buffer *value,
                          Buffer *to) {
  uint8_t id[UUID_LENGTH], time[TIME_LENGTH];
  write_uuid(texts->id_prefix, ranking->offset, SPAN("/recommendation"), id);
  const Span id_text = {id, id + UUID_LENGTH}, time_text = {time, time + write_time(ranking->time_us, time)};
  value->length = 0;
  PUT(value, "{\"recommendation_id\":\"");
  put_span(value, id_text);
  PUT(value, "\",\"event_time\":\"");
  put_span(value, time_text);
  PUT(value, "\",\"user_id\":\"");
  put_escaped(value, ranking->key);
  put_span(value, texts->before_offset);
  put_decimal(value, ranking->offset);
  PUT(value, ",\"event_id\":\"");
  put_escaped(value, ranking->event_id);
  put_span(value, texts->before_strategy);
  put_escaped(value, ranking->strategy);
  put_span(value, texts->before_items);
  put_items(value, ranking, numbers);
  PUT(value, "]}");
  const Span text = {value->bytes, value->bytes + value->length};
  const Record record = {ranking->key, text, id_text, SPAN("millrace.recommendation.v1"), time_text, ranking->traceparent};
  put_record(to, &record, place);
  to->is_out_of_memory |= value->is_out_of_memory;
}
