"""What happens: events in, decisions out. The only room with Faust and aiokafka.

Kafka ─► agent (decode, order, state) ─► recommend, maintain (the two pages of the story) ─► outputs ─► sink ─► SQL
May import: models, storage, schemas.

| room | what it is for |
|---|---|
| `kafka/` | how the broker is reached, and waited for |
| `agent/` | partitions, state, order, checkpoints; knows no page |
| `catalogue/` | the click feed, and what is trending |
| `serving/` | which models a worker runs |
| `sink/` | decisions into the database |

In no room: the two pages, `repeats` (which clicks came before), `asset_outputs` (what leaves of decisions), `no_model`
(events that no model decides on yet), `worker` and `app` (a process), `history` (events for training), `quarantine`
(dead letters for people), `metrics`.
"""
