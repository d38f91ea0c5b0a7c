"""The wires that can be asked for by name, and what is said to those who ask for what one cannot do.

Each is a module with a function `make(options, *, asynchronous, base_url)`, imported when it is asked for: none of the
libraries below is needed by anyone else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from resilient_client.errors import ConfigError

if TYPE_CHECKING:
    from resilient_client.exchange import Wire
    from resilient_client.wire.options import WireOptions

DEFAULT: Final = "default"
"""The name of the wire that is used when none is asked for: ours, within httpx's transport."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A wire: its module, the package (and extra) that it needs, the options that it does not know, and why not."""

    module: str
    package: str
    cannot: Mapping[str, str] = field(default_factory=dict)
    blocking: bool = True


CHOICES: Final = {
    "pyreqwest": Choice(
        "resilient_client.wire.pyreqwest_wire",
        "pyreqwest",
        {"uds": "its library has no unix sockets"},
    ),
    "aiohttp": Choice(
        "resilient_client.wire.aiohttp_wire",
        "aiohttp",
        {"http2": "its library speaks HTTP/1.1 only"},
        blocking=False,
    ),
    "httpx2": Choice(
        "resilient_client.wire.httpx2_wire",
        "httpx2",
        {"http2": "there a call that runs out of time ends all others on its connection"},
    ),
}

NAMES: Final = (DEFAULT, *CHOICES)


def check_name(name: object) -> None:
    """Raise `ConfigError` or `TypeError` unless `name` is that of a wire, or None."""
    if name is None or name in NAMES:
        return
    if not isinstance(name, str):
        raise TypeError(f"wire={name!r}: give the name of a wire or an object with send() and close()")
    raise ConfigError(f"wire={name!r}: there is no such wire; the names are {', '.join(map(repr, NAMES))}")


def refuse(option: str, wire: str, why: str) -> ConfigError:
    """Return the error of an option that a wire cannot honour: both names, the reason, and the way out."""
    return ConfigError(
        f"{option}: wire={wire!r} cannot do that, {why}; leave out {option.partition('=')[0]}=, or wire="
    )


def chosen(options: WireOptions, *, asynchronous: bool, base_url: str | None) -> Wire:
    """Return the wire that `options.wire` names; raises `ConfigError` or `TypeError`."""
    name = options.wire
    check_name(name)
    assert name is not None  # noqa: S101 - the caller looked
    choice = CHOICES[name]
    if options.transport is not None:
        raise ConfigError(f"transport= and wire={name!r} were both given; a transport is driven by the default wire")
    if not asynchronous and not choice.blocking:
        others = " or ".join(f"wire={other!r}" for other, it in CHOICES.items() if it.blocking)
        raise ConfigError(f"wire={name!r}: it is for AsyncClient only; a Client takes {others}, or no wire= at all")
    for option in options.given():
        if option in choice.cannot:
            raise refuse(f"{option}={getattr(options, option)!r}", name, choice.cannot[option])
    options.check_addresses()
    made: Wire = _imported(name, choice).make(options, asynchronous=asynchronous, base_url=base_url)
    return made


def _imported(name: str, choice: Choice) -> Any:
    try:
        import_module(choice.package)
    except ImportError as problem:
        raise ConfigError(
            f'wire={name!r}: needs the extra: pip install "resilient-client[{choice.package}]"'
        ) from problem
    return import_module(choice.module)
