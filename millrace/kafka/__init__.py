"""The embedded Kafka: a real broker in one process, for demos and tests.

kafka.lock ─► jars ─► broker.properties ─► Broker
May import: schemas, streams.kafka, models.files.
"""

from millrace.kafka.broker import Broker, running_broker
from millrace.kafka.jars import default_folder, missing_jars, read_lock
from millrace.kafka.probe import free_port, obstacle

__all__ = [
    "Broker",
    "default_folder",
    "free_port",
    "missing_jars",
    "obstacle",
    "read_lock",
    "running_broker",
]
