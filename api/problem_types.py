"""Problem types: the kinds of errors that the API answers, each with its status, and its page's meaning and cure.

slug ─► ProblemType ─► `api.problems`, docs/problems.md
"""

from __future__ import annotations

from typing import NamedTuple

AGAIN = "Try again in some seconds, as the header `Retry-After` says. If it stays: "


class ProblemType(NamedTuple):
    """One type of problem. `meaning` and `cure` are for the page."""

    slug: str
    status: int
    title: str
    meaning: str
    cure: str


PROBLEM_TYPES: dict[str, ProblemType] = {
    kind.slug: kind
    for kind in (
        ProblemType(
            "invalid-request", 422, "The request has fields that cannot be used",
            "A path, query, header or body field is missing, of the wrong type or out of its limits; also a cursor "
            "(`after`) that this list did not hand out. `errors` names each field and what is wrong with it.",
            "Correct the fields named in `errors`. Cursors are only good for the list that returned them as `next`.",
        ),
        ProblemType(
            "unauthorized", 401, "An API key is needed",
            "This API has keys, and the request has none, or one that is not in its file (any more).",
            "Send `Authorization: Bearer <key>`. Keys are made with `millrace api-key`.",
        ),
        ProblemType(
            "forbidden", 403, "The API key does not allow this",
            "The key is known but lacks the scope: `read` looks, `write` sends events, `operate` looks, "
            "acts on alerts and replays, `admin` may do all.",
            "Use a key with the scope that `detail` names, or make one with `millrace api-key`.",
        ),
        ProblemType(
            "unknown-asset", 404, "There is no such asset",
            "No score or alert of this asset was ever written to the database.",
            "Check the asset_id; `GET /v1/assets` lists all. A new asset appears with its first score.",
        ),
        ProblemType(
            "ambiguous-asset", 409, "The id is of several assets",
            "Each asset class numbers its own assets, and more than one has this id. `detail` names the classes.",
            "Say which one is meant: add `?asset_class=` with one of the classes that `detail` names.",
        ),
        ProblemType(
            "unknown-item", 404, "There is no such item",
            "Nothing was ever said of this item on `items.v1`, or it was removed long ago.",
            "Check the item_id; `GET /v1/items` lists all. Items can be clicked without ever being described.",
        ),
        ProblemType(
            "unknown-worker", 404, "There is no such worker",
            "No worker of this name has told of itself within MILLRACE_RETENTION_FIGURES_DAYS.",
            "Check the name; `GET /v1/workers` lists those that run. A worker that is started again has a new one.",
        ),
        ProblemType(
            "unknown-alert", 404, "There is no such alert",
            "No alert has this id.",
            "Check the alert_id; `GET /v1/alerts` lists all.",
        ),
        ProblemType(
            "not-open", 409, "The alert is not open",
            "Only an open alert can be shelved or closed, and this one is cleared.",
            "Nothing needs to be done. A comment, an assignee or an outcome can still be said.",
        ),
        ProblemType(
            "key-reused", 422, "The key of the request was used before",
            "The header `Idempotency-Key` is that of an action on this alert which says something else, or is of "
            "somebody else.",
            "Nothing was done. Use a new key for a new request, and the same one only to send a request again.",
        ),
        ProblemType(
            "unknown-notification", 404, "There is no such notification",
            "No notification has this id, or not any more: MILLRACE_RETENTION_NOTIFICATIONS_DAYS.",
            "Check the notification_id; `GET /v1/notifications` lists all.",
        ),
        ProblemType(
            "not-failed", 409, "The notification has not failed",
            "Only one that failed can be retried: this one was sent, or waits for its next try.",
            "Nothing needs to be done; `GET /v1/notifications/{notification_id}` says how it is.",
        ),
        ProblemType(
            "unknown-dead-letter", 404, "There is no such dead letter",
            "The database has no quarantined record of this place, or not any more.",
            "`GET /v1/dead-letters` lists those that it has; `millrace deadletters list TOPIC` asks Kafka itself.",
        ),
        ProblemType(
            "unknown-event", 404, "There is no such record",
            "The topic has no record at this place, or not any more: retention deleted it.",
            "Check topic, partition and offset; `caused_by` of every decision names those of its event.",
        ),
        ProblemType(
            "model-refused", 409, "The alias was not moved",
            "There is no such model or version, its files are not what its hashes say, it is not signed where workers "
            "want a signature, or there is nothing to go back to. What served before goes on.",
            "See `detail`; `GET /v1/models` lists the versions.",
        ),
        ProblemType(
            "not-found", 404, "There is nothing at this address",
            "The path is not one of the API's.",
            "See `/docs` for all paths.",
        ),
        ProblemType(
            "method-not-allowed", 405, "This address does not take this method",
            "The path exists, but not for this HTTP method; the header `Allow` names those that it takes.",
            "See `/docs` for all paths and their methods.",
        ),
        ProblemType(
            "too-large", 413, "The body is too large",
            "The body of the request is larger than the API reads.",
            "Send less: `POST /v1/events` takes 4 MiB and 1,000 events, `POST /v1/rank` 1 MiB, all else 64 KiB.",
        ),
        ProblemType(
            "wrong-host", 421, "The API does not answer for this host name",
            "Without keys the API only answers to requests for this machine's own loopback names, so that no web page "
            "can reach it through a browser under a name of its own.",
            "Use http://127.0.0.1 or http://localhost, or set MILLRACE_API_KEYS_FILE.",
        ),
        ProblemType(
            "other-origin", 403, "Pages of other servers may not change anything",
            "The request changes something, and its header `Origin` says that a browser sent it from a page of another "
            "server. Any page could do that behind the back of who looks at it.",
            "Name the origin in MILLRACE_API_CORS_ORIGINS if its pages may use this API. Behind a proxy: let it keep "
            "the header `Host`.",
        ),
        ProblemType(
            "too-many-streams", 503, "Too many live streams are open",
            "Each live stream holds a connection, and this API server has as many as it allows.",
            "Close streams that nobody reads, try again later, or run more API servers.",
        ),
        ProblemType(
            "unavailable", 503, "The database is not available",
            "The database does not answer, or its tables are not those of this version. `detail` says which.",
            f"{AGAIN}start the database, or run `millrace db upgrade`.",
        ),
        ProblemType(
            "broker-unavailable", 503, "Kafka is not available",
            "This needs Kafka, and the broker does not answer, or the API server was started without one.",
            f"{AGAIN}start Kafka, or correct MILLRACE_KAFKA.",
        ),
        ProblemType(
            "no-worker", 503, "No edge worker ranks items at the moment",
            "Items are ranked by the edge worker that has the user, over a port of its own, and none answers: it is "
            "starting, its partitions are on their way to another one, or MILLRACE_RANK_HOST cannot be reached.",
            f"{AGAIN}see `GET /v1/workers`, and whether MILLRACE_RANK_HOST "
            "and MILLRACE_RANK_TOKEN of the workers are right for this server.",
        ),
        ProblemType(
            "not-ready", 503, "The service is not ready",
            "The database, the broker or the sink is not as it should be. `checks` has what was looked at.",
            "See `checks`: start what does not answer; a sink that is behind catches up by itself.",
        ),
        ProblemType(
            "request-refused", 400, "The request was refused",
            "The request is not one that an HTTP server can answer.",
            "See `detail`.",
        ),
        ProblemType(
            "internal", 500, "The API failed",
            "A bug: the log of the API has the details, under the time of the request.",
            "Please report it with the lines of the log. Repeating a request that only reads is harmless.",
        ),
    )
}  # fmt: skip
