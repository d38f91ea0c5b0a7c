"""Calling the usual way: an HTTP client in a retry loop, with the same attempts, waits and timeouts."""

from __future__ import annotations

import httpx
import tenacity

from resilient_client.cli.demo import policies
from resilient_client.cli.demo.contender import Setup, Threads
from resilient_client.cli.demo.pace import Got
from resilient_client.cli.demo.scenario import PATH


class Loop(Threads):
    """httpx in tenacity's loop, from threads."""

    name = "httpx+tenacity"

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._client = httpx.Client(
            base_url=self.server.url,
            timeout=httpx.Timeout(policies.ATTEMPT, connect=policies.CONNECT),
            trust_env=False,
        )
        self._retrying = tenacity.Retrying(
            # The event only matters when the demo is broken off.
            stop=tenacity.stop_after_attempt(policies.MAX_ATTEMPTS) | tenacity.stop_when_event_set(self.ended),
            wait=tenacity.wait_random_exponential(policies.WAIT_INITIAL, max=policies.WAIT_MAX),
            retry=tenacity.retry_if_exception_type(httpx.HTTPError),
            reraise=True,
        )

    def call(self) -> Got:
        """Make one call."""
        sent = 0

        def fetch() -> None:
            nonlocal sent
            sent += 1
            self._client.get(PATH).raise_for_status()

        try:
            self._retrying(fetch)
        except httpx.HTTPStatusError as error:
            return f"HTTP {error.response.status_code}", sent
        except Exception as error:  # noqa: BLE001 - whatever it raises is what its callers get
            return type(error).__name__, sent
        return None, sent

    def _close_client(self) -> None:
        self._client.close()
