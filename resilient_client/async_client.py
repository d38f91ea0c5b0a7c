"""The asynchronous facade."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self, Unpack

from resilient_client.backends import Backend
from resilient_client.backends.asynchronous import AsyncioBackend
from resilient_client.base_client import BaseClient, CallOptions
from resilient_client.exchange import Wire
from resilient_client.pipeline import Kernels
from resilient_client.policy import Policy
from resilient_client.result import Result, T
from resilient_client.wire.build import WireOptions, build_wire
from resilient_client.wire.requests import HeaderInput, RequestBuilder
from resilient_client.wire.tls_settings import Cert, Verify


class AsyncClient(BaseClient):
    """A client for one downstream service, to be awaited.

    `name` is what its operators call it: in telemetry, in messages, and as the key of shared state. Make one per service,
    keep it, `async with` it or `await close()` it. Tasks may share it; a second event loop gets connections of its own.

    policy: how long, how often, how many; the defaults are those of `Policy()`.
    kernels: state shared with another client, such as `other.kernels`; without `policy`, its policy too.
    base_url: where relative URLs start; a call may not leave it unless `allow_other_origins`.
    headers, auth: sent with every call. `auth` is (user, password), any `httpx.Auth`, or a function of the request.
    verify, cert: TLS: True, a path to roots or an `ssl.SSLContext`; a client certificate as path or (cert, key).
    proxy, uds, local_address: through an HTTP or SOCKS5 proxy, over a unix socket, from a local address.
    http2: offer HTTP/2 on https connections; one connection then carries many calls (off).
    trust_env: take proxy and root certificates from the environment (off).
    transport: any asynchronous httpx transport instead of ours. wire, backend: another way to reach or to wait, for tests.

    Raises `ConfigError` or `TypeError` for a wrong option; calls raise only for mistakes of the caller (and
    `ClientClosed`), everything the network or a policy does is a `Failure`.
    """

    def __init__(
        self,
        name: str,
        *,
        base_url: str | None = None,
        policy: Policy | None = None,
        kernels: Kernels | None = None,
        headers: HeaderInput | None = None,
        auth: Any = None,
        allow_other_origins: bool = False,
        verify: Verify = True,
        cert: Cert | None = None,
        proxy: str | None = None,
        uds: str | None = None,
        http2: bool = False,
        local_address: str | None = None,
        trust_env: bool = False,
        transport: Any = None,
        wire: Wire | None = None,
        backend: Backend | None = None,
    ) -> None:
        requests = RequestBuilder(
            base_url, headers=headers, auth=auth, allow_other_origins=allow_other_origins, asynchronous=True
        )
        options = WireOptions(transport, verify, cert, proxy, uds, http2, local_address, trust_env)
        super().__init__(
            name,
            policy=policy,
            kernels=kernels,
            requests=requests,
            backend=backend or AsyncioBackend(),
            wire=wire or build_wire(options, asynchronous=True, base_url=base_url),
        )

    async def request(
        self, method: str, url: str, *, decode: type[T] | None = None, **options: Unpack[CallOptions]
    ) -> Result[T]:
        """Make one call and await its result.

        params: query, added to the URL's own. headers: added to the client's, replacing those of the same name.
        content (bytes, str, file, iterable), json, data (form), files (multipart): the body, one of them.
        policy: in place of the client's. expect: which statuses are a success (default: below 400). route: the
        low-cardinality name of the URL, such as "/orders/{id}". idempotency_key: makes repeating safe; True makes
        a key. decode: the type of `success.value`; a body that does not fit is a `Failure`. auth: in place of the client's.

        Raises `TypeError`, `ValueError` or `ConfigError` for a wrong argument before anything is sent.
        """
        call = self._call(method, url, decode, options)
        return await self._run(call)

    async def get(self, url: str, *, decode: type[T] | None = None, **options: Unpack[CallOptions]) -> Result[T]:
        """Send a GET; retried when it fails in a transient way."""
        return await self.request("GET", url, decode=decode, **options)

    async def head(self, url: str, *, decode: type[T] | None = None, **options: Unpack[CallOptions]) -> Result[T]:
        """Send a HEAD; retried when it fails in a transient way."""
        return await self.request("HEAD", url, decode=decode, **options)

    async def options(self, url: str, *, decode: type[T] | None = None, **options: Unpack[CallOptions]) -> Result[T]:
        """Send an OPTIONS; retried when it fails in a transient way."""
        return await self.request("OPTIONS", url, decode=decode, **options)

    async def post(self, url: str, *, decode: type[T] | None = None, **options: Unpack[CallOptions]) -> Result[T]:
        """Send a POST; retried after it may have been seen only with an `idempotency_key`."""
        return await self.request("POST", url, decode=decode, **options)

    async def put(self, url: str, *, decode: type[T] | None = None, **options: Unpack[CallOptions]) -> Result[T]:
        """Send a PUT; retried when it fails in a transient way."""
        return await self.request("PUT", url, decode=decode, **options)

    async def patch(self, url: str, *, decode: type[T] | None = None, **options: Unpack[CallOptions]) -> Result[T]:
        """Send a PATCH; retried after it may have been seen only with an `idempotency_key`."""
        return await self.request("PATCH", url, decode=decode, **options)

    async def delete(self, url: str, *, decode: type[T] | None = None, **options: Unpack[CallOptions]) -> Result[T]:
        """Send a DELETE; retried when it fails in a transient way."""
        return await self.request("DELETE", url, decode=decode, **options)

    async def close(self) -> None:
        """Close the client's connections; later calls raise `ClientClosed`. Calls under way are not interrupted."""
        if not self._closed:
            self._closed = True
            await self._wire.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()
