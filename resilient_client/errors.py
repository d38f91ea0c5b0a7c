"""The few exceptions this package raises, in one tree.

::

    ResilientClientError            everything below, for one `except`
    ├── ConfigError (ValueError)    an option is wrong: says which, what was given, what is allowed
    ├── ClientClosed (RuntimeError) a call on a client after `close()`
    ├── StreamClosed (RuntimeError) a body read twice or after its block, a closed WebSocket
    └── CallFailed                  what `failure.unwrap()` raises; carries the `Failure`

Anything the network, a server or a policy does is a `Failure`, not an exception. A wrong type is a
plain `TypeError`; cancellation and `KeyboardInterrupt` pass through untouched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resilient_client.result import Failure


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake of a policy file, of the environment or of what code added to them.

    `where` is `file:line`, the name of an environment variable, or empty; `key` the path of the key, such as
    `clients.payments.retry.max_attempts`; `said` what is wrong and what is allowed; `found` the value as it would stand
    in a file, empty when there is none to show.
    """

    where: str
    key: str
    said: str
    found: str = ""

    def __str__(self) -> str:
        value = f"{self.key} = {self.found}" if self.found else self.key
        return ": ".join(part for part in (self.where, value, self.said) if part)


class ResilientClientError(Exception):
    """The root of every exception of this package."""


class ConfigError(ResilientClientError, ValueError):
    """An option is wrong or contradicts another; the message names it, its value and what is allowed.

    `keys` are the names of the settings at fault, when there are any. `problems` are the single mistakes of a policy
    file, when it is one that is wrong; the message lists them all.
    """

    def __init__(self, message: str, *, keys: tuple[str, ...] = (), problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(message)
        self.keys = keys
        self.problems = problems


class ClientClosed(ResilientClientError, RuntimeError):
    """The client was closed before this call."""


class StreamClosed(ResilientClientError, RuntimeError):
    """A body of `client.stream()` was read a second time, after its block, or in a forked child.

    Or a WebSocket was used that is closed, or that belongs to another process or event loop.
    """


class CallFailed(ResilientClientError):
    """A `Failure` turned into an exception by `unwrap()`, for code that prefers to raise, or met in a stream's body.

    `failure` is the whole result; the message is its one-line summary.
    """

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure

    def __str__(self) -> str:
        return self.failure.summary()
