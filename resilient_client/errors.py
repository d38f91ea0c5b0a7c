"""The few exceptions this package raises, in one tree.

::

    ResilientClientError            everything below, for one `except`
    ├── ConfigError (ValueError)    an option is wrong: says which, what was given, what is allowed
    ├── ClientClosed (RuntimeError) a call on a client after `close()`
    └── CallFailed                  what `failure.unwrap()` raises; carries the `Failure`

Anything the network, a server or a policy does is a `Failure`, not an exception. A wrong type is a
plain `TypeError`; cancellation and `KeyboardInterrupt` pass through untouched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resilient_client.result import Failure


class ResilientClientError(Exception):
    """The root of every exception of this package."""


class ConfigError(ResilientClientError, ValueError):
    """An option is wrong or contradicts another; the message names it, its value and what is allowed."""


class ClientClosed(ResilientClientError, RuntimeError):
    """The client was closed before this call."""


class CallFailed(ResilientClientError):
    """A `Failure` turned into an exception by `unwrap()`, for code that prefers to raise.

    `failure` is the whole result; the message is its one-line summary.
    """

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure

    def __str__(self) -> str:
        return self.failure.summary()
