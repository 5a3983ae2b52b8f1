"""How Millrace is started: the command line and what it needs.

arguments ─► cli ─► commands ─► kafka, service, demo, events, bench
May import: every room; no room imports it.

| room | what it is for |
|---|---|
| `kafka/` | the embedded broker |
| `service/` | processes that run together, doctor |
| `demo/` | a shop and a plant that do not exist |
| `events/` | events from files and by hand |
| `bench/` | what inference costs |
| `commands/` | the commands by group |

In no room: `cli`, `logs`, `generate` and `reference` (documents made from
the code).
"""
