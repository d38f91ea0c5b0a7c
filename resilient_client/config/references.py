"""References to environment variables: `Bearer ${TOKEN}` in a file, the token itself only in what is sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from resilient_client.errors import ConfigError

_PIECE: Final = re.compile(r"\$\$\{|\$\{([^}]*)\}?")
_ONLY: Final = re.compile(r"([A-Za-z]+ )?(\$\{[^}]*\}:?)+")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def names_in(text: str) -> list[str]:
    """Return the variables that `text` refers to; raises `ConfigError` for a reference that is none."""
    names: list[str] = []
    for found in _PIECE.finditer(text):
        name = found[1]
        if name is None:
            continue
        if not _NAME.fullmatch(name) or not found[0].endswith("}"):
            raise ConfigError("a reference is written ${NAME}, and $${ for these two characters themselves")
        names.append(name)
    return names


def blanked(text: str) -> str:
    """Return `text` with something harmless in place of each reference, to be checked for all the rest."""
    names_in(text)
    return _PIECE.sub(lambda found: "${" if found[1] is None else "x", text)


def is_one(text: str) -> bool:
    """Return whether `text` is a reference and nothing else."""
    return bool(_PIECE.fullmatch(text)) and len(names_in(text)) == 1


def stands_for_all(text: str) -> bool:
    """Return whether `text` is made of references, but for a word before them: `Bearer ${TOKEN}`."""
    return bool(_ONLY.fullmatch(text)) and bool(names_in(text))


class Referring:
    """A text with references, resolved when it is asked for; its repr shows the references."""

    __slots__ = ("_environment", "text")

    def __init__(self, text: str, environment: Mapping[str, str]) -> None:
        self.text = text
        self._environment = environment

    def __call__(self) -> str:
        """Return the text with its references resolved; raises `ConfigError` when a variable is not set."""
        return _PIECE.sub(self._resolved, self.text)

    def _resolved(self, found: re.Match[str]) -> str:
        if found[1] is None:
            return "${"
        try:
            return self._environment[found[1]]
        except KeyError:
            raise ConfigError(f"it refers to ${{{found[1]}}}, which is not set in the environment") from None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Referring) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return repr(self.text)


def referring(text: str, environment: Mapping[str, str]) -> str | Referring:
    """Return `text`, as something to be asked when it has references."""
    return Referring(text, environment) if _PIECE.search(text) else text


def resolved(text: str, environment: Mapping[str, str]) -> str:
    """Return `text` with its references resolved now; raises `ConfigError` when a variable is not set."""
    return Referring(text, environment)()
