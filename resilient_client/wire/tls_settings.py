"""The TLS context of a client, made when the first https connection needs it: loading the roots costs tens of ms."""

from __future__ import annotations

import ssl
import sys
import threading
import warnings
from pathlib import Path
from typing import Final

from resilient_client.errors import ConfigError
from resilient_client.forking import on_fork

Verify = bool | str | ssl.SSLContext
Cert = str | tuple[str, str] | tuple[str, str, str]


PACKAGE: Final = __name__.partition(".")[0]

OPTIONS: Final = ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
"""Compression tells secrets by their length (CRIME, RFC 7525, section 3.3); a peer that was checked stays the one it
was (Go's crypto/tls does not renegotiate either). TLS 1.3 has neither."""


def _warn(message: str) -> None:
    """Warn of the line that called the package, so that each such line is told of once."""
    frame, level = sys._getframe(1), 2  # noqa: SLF001 - `skip_file_prefixes` is there from Python 3.12 on
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == PACKAGE:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, UserWarning, stacklevel=level)


class TlsSettings:
    """Which certificates to trust and to show; gives the `ssl.SSLContext`, made once.

    `verify`: True for certifi's roots, a file or folder of roots, a context of your own, or False (warns). `cert`: a
    PEM file with certificate and key, or (certificate, key), or (certificate, key, password). TLS 1.2 is the least.
    `key_log` is a file to write the keys of every connection to, for whoever wants to read what went over the wire.

    A context of your own stays as it is: its versions, its options and whether it verifies are your choice.
    """

    def __init__(
        self, verify: Verify = True, cert: Cert | None = None, *, http2: bool = False, key_log: str | None = None
    ) -> None:
        if not isinstance(verify, (bool, str, ssl.SSLContext)):
            raise ConfigError(f"verify={verify!r}: verify must be True, False, a path to roots, or an ssl.SSLContext")
        if isinstance(verify, str) and not Path(verify).exists():
            raise ConfigError(f"verify={verify!r}: there is no such file or folder of root certificates")
        if verify is False or (isinstance(verify, ssl.SSLContext) and verify.verify_mode is ssl.CERT_NONE):
            given = "False" if verify is False else "a context that verifies nothing"
            _warn(f"verify={given}: any server may pretend to be the one that is called")
        self._verify = verify
        self._cert = cert
        self._key_log = key_log
        self.alpn = ["h2", "http/1.1"] if http2 else ["http/1.1"]
        self._context: ssl.SSLContext | None = None
        self.after_fork()
        on_fork(self)
        if cert is not None or isinstance(verify, str):
            self.context()  # a wrong file is reported when the client is made

    def after_fork(self) -> None:
        """Start with a new lock: another thread of the parent may have held the old one."""
        self._lock = threading.Lock()

    def context(self) -> ssl.SSLContext:
        """Return the context, making it the first time."""
        with self._lock:
            if self._context is None:
                self._context = self._make()
            return self._context

    def _make(self) -> ssl.SSLContext:
        if isinstance(self._verify, ssl.SSLContext):
            context = self._verify
        else:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.options |= OPTIONS
            if self._key_log is not None:
                context.keylog_filename = self._key_log
            self._trust(context)
        if self._cert is not None:
            self._show(context, self._cert)
        return context

    def _trust(self, context: ssl.SSLContext) -> None:
        if self._verify is False:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            return
        roots = self._verify if isinstance(self._verify, str) else _usual_roots()
        folder = Path(roots).is_dir()
        try:
            context.load_verify_locations(cafile=None if folder else roots, capath=roots if folder else None)
        except (OSError, ssl.SSLError) as problem:
            raise ConfigError(f"verify={roots!r}: no root certificates could be read there ({problem})") from problem

    def _show(self, context: ssl.SSLContext, cert: Cert) -> None:
        parts = (cert,) if isinstance(cert, str) else cert
        if not isinstance(parts, tuple) or len(parts) > 3:
            raise ConfigError(
                f"cert={type(cert).__name__}: give a PEM file, (certificate, key) or (certificate, key, password)"
            )
        try:
            context.load_cert_chain(*parts)
        except (OSError, ssl.SSLError, TypeError) as problem:
            shown = parts[:2]
            raise ConfigError(
                f"cert={shown!r}: cannot be loaded ({problem}); give a PEM file with certificate and key, or a pair "
                f"(certificate file, key file)"
            ) from problem


def _usual_roots() -> str:
    import certifi  # noqa: PLC0415 - only for the first https connection

    return certifi.where()
