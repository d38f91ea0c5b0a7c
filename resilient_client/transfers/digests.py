"""The digest that a file is to have, and the one that is being made of it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any

from resilient_client.errors import ConfigError

_FORM = re.compile(r"([A-Za-z0-9_/-]+):([0-9a-fA-F]+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Digest:
    """An algorithm of `hashlib`, and what it should give in hexadecimal."""

    algorithm: str
    value: str

    @classmethod
    def parse(cls, text: Any) -> Digest:
        """Return the digest that `digest=` asks for; raises `TypeError` or `ConfigError`."""
        if not isinstance(text, str):
            raise TypeError(f"digest={text!r}: give a str such as 'sha256:9f86d0...'")
        found = _FORM.fullmatch(text.strip())
        if found is None:
            raise ConfigError(f"digest={text!r}: write the algorithm and the value, such as 'sha256:9f86d0...'")
        algorithm, value = found[1].lower(), found[2].lower()
        wanted = _digits(algorithm)
        if len(value) != wanted:
            raise ConfigError(f"digest={text!r}: {algorithm} has {wanted} hexadecimal digits, these are {len(value)}")
        return cls(algorithm, value)

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.value}"


def _new(algorithm: str) -> Any:
    return hashlib.new(algorithm, usedforsecurity=False)  # md5 is what many publish; an integrity check it still is


def _digits(algorithm: str) -> int:
    try:
        size: int = _new(algorithm).digest_size
    except ValueError:
        size = 0
    if not size:  # shake has no length of its own
        raise ConfigError(
            f"digest={algorithm!r}: not known here; sha256, sha512, blake2b and md5 are among those that are"
        )
    return 2 * size


class Running:
    """A digest being made; it takes bytes in their order, and passes over those that are not next."""

    def __init__(self, digest: Digest) -> None:
        self._hash = _new(digest.algorithm)
        self.upto = 0

    def add(self, data: bytes | memoryview, at: int) -> None:
        """Take in bytes that stand at `at`."""
        if at == self.upto:
            self._hash.update(data)
            self.upto += len(data)

    def value(self) -> str:
        """Return the digest so far in hexadecimal."""
        return str(self._hash.hexdigest())
