"""The API keeps to its own OpenAPI document, whatever it is asked: requests are made up from the document itself."""

from __future__ import annotations

import asyncio
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance

from millrace.events import KafkaPublisher
from millrace.promotion import HomeKeeper
from schemas import Settings
from storage import Store
from tests.api.conftest import serving
from tests.support.decisions import alert, recommendation, score
from tests.support.kafka import create_topics

pytestmark = pytest.mark.long
# On loopback no keys are needed, and a cursor cannot be made up
NOT_PROMISED = [ignored_auth, positive_data_acceptance]
AS_OFTEN_AS_TIME_ALLOWS = settings(
    max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


@pytest.fixture(scope="module")
def contract(kafka: str, migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The document of a running API, with some decisions to answer from and a broker to send to."""
    home = tmp_path_factory.mktemp("contract")
    url = f"sqlite:///{shutil.copy(migrated_sqlite, home / 'contract.db')}"
    store = Store(url)
    store.write([alert("a", 0), recommendation("ann", 1), score(1)], [])
    prefix = f"t{uuid.uuid4().hex[:10]}."
    own = Settings(home=home, database_url=url, api_port=0, kafka=kafka, topic_prefix=prefix, partitions=1)
    asyncio.run(create_topics(own))
    with serving(own, KafkaPublisher(own), keeper=HomeKeeper(own)) as client:
        document = schemathesis.openapi.from_url(f"{client.base_url}/openapi.json".replace("//openapi", "/openapi"))
        yield document.exclude(path="/v1/alerts/stream")  # it does not end; test_live has it
    store.close()


def test_answers_are_as_the_document_says(contract: Any) -> None:
    """schemathesis' own plugin does not know pytest 9.2; so its operations are given to hypothesis here."""
    operations = [found.ok() for found in contract.get_all_operations()]
    assert {"GET /v1/assets", "POST /v1/alerts/{alert_id}/acknowledge"} <= {operation.label for operation in operations}
    for operation in operations:

        @AS_OFTEN_AS_TIME_ALLOWS
        @given(case=operation.as_strategy())
        def answers(case: schemathesis.Case) -> None:
            needs_a_worker = [not_a_server_error] if case.path == "/v1/rank" else []
            case.call_and_validate(timeout=10, excluded_checks=[*NOT_PROMISED, *needs_a_worker])

        answers()
