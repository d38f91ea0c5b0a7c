"""Which wire a client takes, and what is said to those who ask one for what it cannot do."""

import importlib
import sys
from math import inf

import httpx
import pytest

from resilient_client import AsyncClient, Client, ConfigError, Policy, Timeouts, load_policies
from resilient_client.wire.choices import CHOICES, NAMES

BLOCKING = [name for name, choice in CHOICES.items() if choice.blocking]


@pytest.mark.parametrize("name", CHOICES)
def test_a_wire_that_is_not_installed_names_its_extra(name, monkeypatch):
    monkeypatch.setitem(sys.modules, CHOICES[name].package, None)
    with pytest.raises(ConfigError) as caught:
        AsyncClient("orders", wire=name)
    assert f'wire={name!r}: needs the extra: pip install "resilient-client[{CHOICES[name].package}]"' in str(
        caught.value
    )


@pytest.mark.parametrize("name", CHOICES)
def test_nothing_of_a_wire_is_imported_unless_it_is_asked_for(name):
    import subprocess

    code = "import resilient_client, sys; resilient_client.AsyncClient('a'); resilient_client.Client('a'); "
    code += f"sys.exit({CHOICES[name].package!r} in sys.modules or {CHOICES[name].module!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_name_that_is_none_is_told_the_names():
    for client in (Client, AsyncClient):
        with pytest.raises(ConfigError, match="wire='requests': there is no such wire; the names are 'default', 'pyr"):
            client("orders", wire="requests")


def test_what_is_neither_a_name_nor_a_wire():
    with pytest.raises(TypeError, match=r"wire=7: give the name of a wire or an object with send\(\) and close\(\)"):
        Client("orders", wire=7)


def test_aiohttp_is_for_tasks():
    with pytest.raises(ConfigError) as caught:
        Client("orders", wire="aiohttp")
    assert str(caught.value) == (
        "wire='aiohttp': it is for AsyncClient only; "
        "a Client takes wire='pyreqwest' or wire='httpx2', or no wire= at all"
    )


def test_the_default_has_a_name_too():
    with Client("orders", wire="default") as named, Client("orders") as unnamed:
        assert type(named._wire) is type(unnamed._wire)


def test_a_transport_belongs_to_the_default_wire():
    with pytest.raises(ConfigError, match="transport= and wire='httpx2' were both given"):
        Client("orders", wire="httpx2", transport=httpx.MockTransport(lambda request: httpx.Response(200)))


REFUSED = [
    ("pyreqwest", {"uds": "/run/orders.sock"}, "uds"),
    ("pyreqwest", {"verify": "/etc/ssl/roots.pem"}, "verify"),
    ("pyreqwest", {"cert": ("c.pem", "k.pem", "secret")}, "cert"),
    ("aiohttp", {"http2": True}, "http2"),
    ("aiohttp", {"proxy": "socks5://127.0.0.1:1080"}, "proxy"),
    ("aiohttp", {"proxy": "https://127.0.0.1:3128"}, "proxy"),
    ("httpx2", {"http2": True}, "http2"),
    ("httpx2", {"proxy": "socks5://127.0.0.1:1080"}, "proxy"),
]


@pytest.mark.parametrize(("wire", "options", "name"), REFUSED, ids=lambda value: str(value)[:24])
def test_an_option_that_a_wire_cannot_honour_is_refused_with_the_way_out(wire, options, name, monkeypatch):
    monkeypatch.setattr("resilient_client.wire.tls_settings.TlsSettings.__init__", lambda *_, **__: None)
    with pytest.raises(ConfigError) as caught:
        AsyncClient("orders", wire=wire, **options)
    said = str(caught.value)
    assert said.startswith(f"{name}=")
    assert f"wire={wire!r} cannot do that" in said
    assert f"leave out {name}=, or wire=" in said
    assert "secret" not in said


@pytest.mark.parametrize("name", ["pyreqwest", "httpx2"])
def test_a_guard_of_addresses_that_a_wire_cannot_keep_is_refused(name):
    for client in (Client, AsyncClient):
        with pytest.raises(ConfigError, match=f"allow_private=False: .*wire={name!r}"):
            client("orders", wire=name, policy=Policy(allow_private=False))


@pytest.mark.parametrize("name", BLOCKING)
def test_websockets_are_for_the_default_wire(name):
    with Client("orders", base_url="http://127.0.0.1", wire=name) as client:
        with pytest.raises(ConfigError, match="wire="), client.websocket("/"):
            pytest.fail("it opened")


@pytest.mark.parametrize("name", NAMES)
def test_a_policy_file_names_the_wire(name):
    policies = load_policies({"clients": {"orders": {"base_url": "http://127.0.0.1", "wire": name}}})
    if name in BLOCKING or name == "default":
        with policies.client("orders") as client:
            assert getattr(client._wire, "name", "default") == name
    else:
        with pytest.raises(ConfigError, match="AsyncClient"):
            policies.client("orders")


def test_a_policy_file_with_a_wire_that_is_none():
    with pytest.raises(ConfigError, match="must be one of default, pyreqwest, aiohttp, httpx2"):
        load_policies({"clients": {"orders": {"base_url": "http://127.0.0.1", "wire": "curl"}}})


def test_code_names_another_wire_than_the_file_and_keeps_the_rest_of_it():
    file = {"clients": {"orders": {"base_url": "http://127.0.0.1", "wire": "pyreqwest", "local_address": "127.0.0.1"}}}
    with load_policies(file).client("orders", wire="httpx2") as client:
        assert client._wire.name == "httpx2"
        assert client._settings.wire.local_address == "127.0.0.1"


def test_a_tls_error_is_none_of_this_machine():
    import ssl

    from resilient_client.wire.classify import is_local, of_foreign

    problem = ssl.SSLError(1, "[SSL: TLSV1_ALERT_INTERNAL_ERROR] tlsv1 alert internal error")
    assert problem.errno == 1  # as EPERM, but OpenSSL's own number
    assert not is_local(problem)
    assert is_local(PermissionError(1, "Operation not permitted"))
    assert of_foreign(problem, in_body=False).kind != "local"


def test_every_wire_has_a_module_with_what_makes_it():
    for choice in CHOICES.values():
        assert callable(importlib.import_module(choice.module).make)


def test_a_machine_without_roots_is_told_of_when_the_client_is_made(monkeypatch, tmp_path):
    empty = tmp_path / "roots.pem"
    empty.write_text("")
    monkeypatch.setenv("SSL_CERT_FILE", str(empty))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="wire='pyreqwest': no client could be made: .*No CA certificates"):
        Client("orders", wire="pyreqwest")


def test_what_the_policies_of_a_client_need_is_made_with_it():
    short, long = Timeouts(connect=1, read=2, attempt=3), Timeouts(connect=2, read=5, attempt=4)
    routes = {"GET /a": Policy(timeouts=long)}
    with Client("orders", wire="pyreqwest", policy=Policy(timeouts=short), routes=routes) as client:
        assert sorted(client._wire._clients._kept) == [(1, 2, False), (2, inf, False)]
