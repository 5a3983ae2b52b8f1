"""Logs of a process: one line per life-cycle change on stderr, readable on a terminal, JSON elsewhere."""

from __future__ import annotations

import logging
import sys

import structlog


def configure_logs(level: str) -> None:
    """Send structlog's lines and those of the libraries (Kafka client, Faust, web server) the same way."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    terminal = sys.stderr.isatty()
    last = structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    if level != "debug":
        for chatty in ("aiokafka", "faust", "mode", "uvicorn", "alembic", "httpx2"):  # what matters, our own lines tell
            logging.getLogger(chatty).setLevel(logging.WARNING)
        handler.addFilter(_is_not_about_services)
        logging.getLogger("mode.timers").setLevel(logging.ERROR)  # warns of every checkpoint that takes over a second


def _is_not_about_services(record: logging.LogRecord) -> bool:
    """mode's services log each start and stop under the name of the module that defines them."""
    return record.levelno > logging.INFO or not record.getMessage().startswith("[^")


def silence_logs() -> None:
    """For commands that a person waits for: their errors are told once, with the cure, not logged as well."""
    logging.getLogger().addHandler(logging.NullHandler())
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
