"""Content codings, each undone piece by piece: gzip and deflate always, br and zstd when their libraries are there.

A library counts as there only when it can stop at a limit: a few kilobytes of any coding can stand for gigabytes.
"""

from __future__ import annotations

import sys
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any, Final

from resilient_client.exchange import WireError
from resilient_client.redact import shortened
from resilient_client.result import FailureKind

ZSTD_WINDOW: Final = 23
"""The largest window of zstd, as a power of two: 8 MiB, which is what a server may use (RFC 9659, section 3)."""


def undecodable(why: str) -> WireError:
    """Return the error of a body that cannot be decoded."""
    return WireError(FailureKind.DECODE, why, sent=True)


class Decoder(ABC):
    """One coding being undone; a body of no bytes at all is an empty one."""

    coding: str
    error: type[Exception]

    def __init__(self) -> None:
        self._fed = False

    def feed(self, data: bytes, room: int) -> tuple[bytes, bytes]:
        """Return decoded bytes and what of `data` is still to be fed.

        Of the former there are hardly more than `room`, and fewer only when there are no more without more `data`.
        """
        if self.over:
            if data:
                raise undecodable(f"there is more behind the end of the {self.coding} stream")
            return b"", b""
        self._fed = True
        try:
            return self._undo(data, room)
        except self.error as problem:
            raise undecodable(f"the body is not {self.coding} ({problem})") from problem

    def end(self) -> None:
        """Raise `WireError` unless the coded stream said that it is over."""
        if self._fed and not self.over:
            raise undecodable(f"the {self.coding} stream is cut off")

    @property
    @abstractmethod
    def over(self) -> bool:
        """Whether the coded stream came to its end, and all of it was given."""

    @abstractmethod
    def _undo(self, data: bytes, room: int) -> tuple[bytes, bytes]: ...


class Gzip(Decoder):
    """gzip, one member."""

    coding = "gzip"
    error = zlib.error

    def __init__(self) -> None:
        super().__init__()
        self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)

    @property
    def over(self) -> bool:
        """Whether the checksum was read."""
        return self._inflate.eof

    def _undo(self, data: bytes, room: int) -> tuple[bytes, bytes]:
        decoded = self._inflate.decompress(data, room)
        return decoded, self._inflate.unconsumed_tail or self._inflate.unused_data


class Deflate(Gzip):
    """deflate with its zlib wrapper, as the RFC says, or without, as some servers send it."""

    coding = "deflate"

    def __init__(self) -> None:
        super().__init__()
        self._held = b""
        self._told = False

    def _undo(self, data: bytes, room: int) -> tuple[bytes, bytes]:
        if not self._told:
            data = self._held + data
            if len(data) < 2:  # the first two bytes tell whether there is a wrapper
                self._held = data
                return b"", b""
            self._told, self._held = True, b""
            wrapped = data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0  # RFC 1950, section 2.2
            self._inflate = zlib.decompressobj(zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)
        return super()._undo(data, room)


@cache
def brotli() -> Any:
    """Return the library of br, None when there is none or it cannot stop at a limit, as it can since 1.2."""
    found = _imported("brotli")
    return found if hasattr(getattr(found, "Decompressor", None), "can_accept_more_data") else None


class Brotli(Decoder):
    """br. It holds a window of up to 16 MiB while it decodes (RFC 7932, section 9.1), on top of the cap."""

    coding = "br"

    def __init__(self) -> None:
        super().__init__()
        self.error = brotli().error
        self._inner = brotli().Decompressor()

    @property
    def over(self) -> bool:
        """Whether the last block was given."""
        return bool(self._inner.is_finished())

    def _undo(self, data: bytes, room: int) -> tuple[bytes, bytes]:
        hungry = self._inner.can_accept_more_data()
        decoded = self._inner.process(data if hungry else b"", output_buffer_limit=room)
        return decoded, b"" if hungry else data


@cache
def zstd() -> Any:
    """Return the library of zstd: Python's own since 3.14, its backport before; None when there is none."""
    return _imported("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")


class Zstd(Decoder):
    """zstd, one frame."""

    coding = "zstd"

    def __init__(self) -> None:
        super().__init__()
        library = zstd()
        self.error = library.ZstdError
        self._inner = library.ZstdDecompressor(options={library.DecompressionParameter.window_log_max: ZSTD_WINDOW})

    @property
    def over(self) -> bool:
        """Whether the frame came to its end."""
        return bool(self._inner.eof)

    def _undo(self, data: bytes, room: int) -> tuple[bytes, bytes]:
        hungry = self._inner.needs_input
        decoded = self._inner.decompress(data if hungry else b"", room)
        return decoded, self._inner.unused_data + (b"" if hungry else data)


def _imported(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        return None


KNOWN: Final[dict[str, Callable[[], Decoder]]] = {
    "gzip": Gzip,
    "x-gzip": Gzip,
    "deflate": Deflate,
    "br": Brotli,
    "zstd": Zstd,
}

EXTRAS: Final[dict[str, tuple[str, Callable[[], Any]]]] = {"br": ("brotli", brotli), "zstd": ("zstd", zstd)}
"""The extra and the library of each coding that needs one."""


def decoder_of(coding: str) -> Decoder:
    """Return what undoes `coding`; raises `WireError` when that cannot be done here."""
    if coding not in KNOWN:
        raise undecodable(f"the content coding {shortened(coding)!r} was not asked for and is not known")
    extra, library = EXTRAS.get(coding, ("", bool))
    if extra and library() is None:
        raise undecodable(f"the content coding {coding!r} needs the extra: install resilient-client[{extra}]")
    return KNOWN[coding]()


@cache
def accepted() -> bytes:
    """Return what requests say in Accept-Encoding: every coding that can be undone here."""
    more = [coding for coding, (_, library) in EXTRAS.items() if library() is not None]
    return ", ".join(["gzip", "deflate", *more]).encode("ascii")
