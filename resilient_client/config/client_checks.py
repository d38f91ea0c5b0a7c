"""What is wrong with one client's values that are no policy: ways that exclude each other, credentials in the open."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any, Final

from resilient_client.config.forms import shown
from resilient_client.config.layers import ON, Found, Key, Merged
from resilient_client.config.references import names_in, stands_for_all
from resilient_client.errors import Problem
from resilient_client.redact import SECRET_HEADERS

EXAMPLES: Final = {
    "headers": '"Bearer ${TOKEN}"',
    "proxy": '"http://${USER}:${PASSWORD}@proxy:3128"',
    "cert": '["client.pem", "client.key", "${PASSWORD}"]',
}


def _contradicting_ways(merged: Merged) -> Iterator[tuple[Key, str]]:
    """Yield what a client would refuse when it is made: ways to a server that exclude each other, or are none."""

    def given(name: str) -> Any:
        found = merged.get((name,))
        return None if found is None else found.value

    if given("uds") is not None and given("proxy") is not None:
        yield ("uds",), "a unix socket is reached directly; leave out proxy, or uds"
    if given("trust_env") and given("base_url") is None:
        yield ("trust_env",), "needs base_url, so that the environment's proxy for it can be chosen"
    if given("local_address") is not None:
        try:
            ip_address(given("local_address"))
        except ValueError:
            yield ("local_address",), "must be an IP address of this machine"


def check_client(merged: Merged, *, from_file: bool) -> Iterator[Problem]:
    """Yield what is wrong; credentials in the open only when they stand in a file, which anybody may read."""
    for key, said in _contradicting_ways(merged):
        origin = merged[key].origin
        yield Problem(origin.place, origin.path, said, shown(merged[key].value))
    for key, found in merged.items():
        if from_file and _is_open_secret(key, found):
            yield Problem(
                found.origin.place,
                found.origin.path,
                "holds a credential that anyone who reads the file can see; put it into the environment and refer to "
                f"it, as in {EXAMPLES[key[0]]}",
            )


def _is_open_secret(key: Key, found: Found) -> bool:
    """Return whether a value of the file is a credential as it stands."""
    value = found.value
    if found.origin.layer.kind == "environment" or value == ON:
        return False
    if key[0] == "headers":
        return key[1].lower() in SECRET_HEADERS and not names_in(value)
    if key[0] == "proxy":
        password = value.partition("://")[2].rpartition("@")[0].partition(":")[2]
        return password != "" and not stands_for_all(password)
    return key[0] == "cert" and not isinstance(value, str) and len(value) == 3 and not stands_for_all(value[2])
