"""Which models a worker runs, and how they change while events flow.

models.v1 ─► ModelReader ─► Serving (verify) ─► Seat (load, warm) ─► swap between two batches ─► workers.v1
May import: schemas, the two pages, streams.status, the rooms of streams below them, every room of
models.
"""

from streams.serving.promoted import WorkerAnswer, answers_of_workers
from streams.serving.seats import AssetSeat, RankerSeat
from streams.serving.serving import Serving
from streams.serving.status import ServingTeller
from streams.serving.topic import ModelReader, publish

__all__ = [
    "AssetSeat",
    "ModelReader",
    "RankerSeat",
    "Serving",
    "ServingTeller",
    "WorkerAnswer",
    "answers_of_workers",
    "publish",
]
