/* scores.c: a score from its columns to a record of a Kafka batch.
 *
 * Byte for byte what streams.asset_outputs makes with orjson: the texts between the values, and the texts of the
 * numbers, come from there.
 */
#include "wire.h"

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

int write_score(ScoreTexts *texts, const ScoreCause *cause, uint32_t target, Span *numbers, int64_t place, Buffer *to) {
  const Scored *scored = cause->scored;
  const TargetText *text = texts->targets + target;
  uint8_t id[UUID_LENGTH], time[TIME_LENGTH];
  if (scored->cause >= texts->cause_count || scored->quality >= texts->quality_count) return 0;
  write_uuid(texts->causes[scored->cause].id_prefix, scored->offset, text->id_suffix, id);
  const Span time_text = {time, time + write_time(scored->time_us, time)};
  if (!put_json(texts, cause, text, id, time_text, numbers)) return 0;
  const Span value = {texts->value.bytes, texts->value.bytes + texts->value.length};
  const Record record = {cause->key, value, {id, id + UUID_LENGTH}, SPAN("millrace.score.v1"), time_text, cause->traceparent};
  put_record(to, &record, place);
  to->is_out_of_memory |= texts->value.is_out_of_memory;
  return 1;
}
