"""What is learned: features, recommender, maintenance, training, compilation, scoring, the store. No Kafka, no SQL.

history ─► training ─► compiler ─► packs ─► registry ─► maintenance, recommender ─► scores
May import: schemas.

| room | what it is for |
|---|---|
| `kernel/` | the C extension that scores rows |
| `packs/` | a forest as it serves, and its scorer |
| `compiler/` | from a trained forest to a pack, proved equal |
| `registry/` | versions and aliases of models, signatures |
| `recommender/`, `recommender/training/` | items for users, and how their ranking is learned |
| `maintenance/`, `maintenance/training/` | lives of assets, and how they are learned |
| `shrink/` | smaller and faster versions |

In no room: `arrays` and `progress` (types), `files` (written whole or not at all), `stages` (CPU time by
stage), `tally` (two models compared), `held_out` (rows that a model did not learn from).
"""
