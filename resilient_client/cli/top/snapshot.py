"""A published document as values that are what they say: checked, and safe to show on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from resilient_client.cli.terminal import one_line
from resilient_client.state import CircuitState, ClientState

KNOWN: Final = 1
"""The version of the document that is read here."""


@dataclass(frozen=True, slots=True)
class Watched:
    """One client: what it counted since recording began and in the last minute, and how it is."""

    name: str
    calls: int
    failures: int
    calls_last_minute: int
    failures_last_minute: int
    state: ClientState


@dataclass(frozen=True, slots=True)
class Happened:
    """Something that went wrong, or a circuit that changed: `what` in short, `where`, and how it went."""

    time: float
    client: str
    what: str
    where: str
    tries: int | None = None
    took: float | None = None
    stopped: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A process at one moment. `recorded` counts the seconds of recording, `every` those between two writes."""

    time: float
    recorded: float
    every: float | None
    pid: int
    program: str
    clients: Sequence[Watched]
    recent: Sequence[Happened]


def snapshot(document: Any) -> Snapshot:
    """Return a document as values; raises `ValueError` when it is something else."""
    try:
        if document["version"] != KNOWN:
            raise ValueError(f"it has version {document['version']!r} of the format, and {KNOWN} is known here")
        return Snapshot(
            float(document["time"]),
            float(document["recorded"]),
            _float(document["every"]),
            int(document["pid"]),
            _text(document["program"]),
            [_watched(one) for one in document["clients"]],
            [_happened(one) for one in document["recent"]],
        )
    except (KeyError, TypeError, AttributeError, OverflowError):
        raise ValueError("it is no state that serve_state() or write_state() tells") from None


def _watched(told: Mapping[str, Any]) -> Watched:
    return Watched(
        _text(told["name"]),
        int(told["calls"]),
        int(told["failures"]),
        int(told["calls_last_minute"]),
        int(told["failures_last_minute"]),
        _state(told["state"]),
    )


def _state(told: Mapping[str, Any]) -> ClientState:
    return ClientState(
        _text(told["client"]),
        {_text(key): _circuit(one) for key, one in told["circuits"].items()},
        _int(told["permits_in_use"]),
        _int(told["permits"]),
        _int(told["queued"]),
        _float(told["budget"]),
    )


def _circuit(told: Mapping[str, Any]) -> CircuitState:
    return CircuitState(_text(told["state"]), int(told["calls"]), int(told["failures"]), _float(told["retry_after"]))


def _happened(told: Mapping[str, Any]) -> Happened:
    time, client = float(told["time"]), _text(told["client"])
    if told["event"] == "circuit":
        counts = f", {int(told['failures'])} of {int(told['calls'])} failed" if told["after"] == "open" else ""
        what = _text(f"{told['before']} -> {told['after']}")
        return Happened(time, client, what, _text(told["circuit"]) + counts)
    status = "" if told["status"] is None else f" {int(told['status'])}"
    times = f" x{int(told['count'])}" if told["count"] != 1 else ""
    what, where = f"{told['kind']}{status}{times}", f"{told['method']} {told['url']}"
    how = int(told["attempts"]), float(told["elapsed"]), _text(told["stopped"])
    return Happened(time, client, _text(what), _text(where), *how)


def _text(value: Any) -> str:
    return one_line(str(value))


def _int(value: Any) -> int | None:
    return None if value is None else int(value)


def _float(value: Any) -> float | None:
    return None if value is None else float(value)
