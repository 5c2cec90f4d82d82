"""The process in numbers, in Prometheus's text format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector

from kaiwa.adapters.postgres.event_log import PostgresEventLog
from kaiwa.domain.events import Durable, Recorded, ReplyFinished
from kaiwa.domain.ids import TalkId
from kaiwa.ports.measures import Measures

_SECONDS: Final = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 30)
_TURN_STAGES: Final = ("final", "endpoint")
_STAGES: Final = ("first_token", "first_clause", "first_clip", "first_sound", "total")


class PrometheusMeasures:
    """`ports.measures.Measures`; a registry of its own, so that a process may hold several."""

    def __init__(self, *, talkers: Callable[[], int], listeners: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._gauge("kaiwa_talkers", "uploads of sound that are going on", talkers)
        self._gauge("kaiwa_listeners", "open streams of events", listeners)
        self._events = Counter(
            "kaiwa_events", "durable events stored", ["type"], registry=self._registry
        )
        self._lag = Histogram(
            "kaiwa_recognition_lag_seconds",
            "from the end of live speech to its text being stored",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._turn_stages = Histogram(
            "kaiwa_turn_seconds",
            "from the last voiced sound of a turn to a stage of its end",
            ["stage"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._replies = Counter(
            "kaiwa_replies", "replies that ended", ["status"], registry=self._registry
        )
        self._stages = Histogram(
            "kaiwa_reply_seconds",
            "from asking for a reply to a stage of it",
            ["stage"],
            buckets=_SECONDS,
            registry=self._registry,
        )

    def appended(self, kind: str) -> None:
        self._events.labels(kind).inc()

    def recognised(self, lag_ms: float) -> None:
        self._lag.observe(lag_ms / 1000)

    def replied(self, status: str, timing: Mapping[str, int]) -> None:
        self._replies.labels(status).inc()
        for histogram, stages in ((self._turn_stages, _TURN_STAGES), (self._stages, _STAGES)):
            for stage in timing.keys() & stages:
                histogram.labels(stage).observe(timing[stage] / 1000)

    def text(self) -> bytes:
        return generate_latest(self._registry)

    def _gauge(self, name: str, what: str, value: Callable[[], int]) -> None:
        Gauge(name, what, registry=self._registry).set_function(value)


class MeasuredEventLog(PostgresEventLog):
    """Counts what this process stores."""

    def __init__(self, database: Any, measures: Measures) -> None:
        super().__init__(database)
        self._measures = measures

    async def append(self, talk: TalkId, event: Durable, **given: Any) -> Recorded:
        recorded = await super().append(talk, event, **given)
        self._measures.appended(event.type)
        if isinstance(event, ReplyFinished):
            self._measures.replied(event.status, event.timing)
        return recorded
