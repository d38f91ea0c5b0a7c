"""Wrong options are refused when they are given, by name and value, with what is allowed; nothing is sent."""

import asyncio
import copy
import pickle

import pytest

from resilient_client import (
    AsyncClient,
    Breaker,
    Bulkhead,
    Client,
    ConfigError,
    Kernels,
    Policy,
    Retry,
    RetryBudget,
    Timeouts,
)

NOT_NUMBERS = ("1", None, float("nan"), float("inf"), True, [], -1)


@pytest.mark.parametrize(
    ("kind", "option", "value"),
    [
        *(
            (Timeouts, name, value)
            for name in ("connect", "read", "write", "attempt", "total")
            for value in ("1", 0, -1, True)
        ),
        *((Timeouts, name, float(value)) for name in ("connect", "total") for value in ("nan", "inf")),
        *((Timeouts, "header", value) for value in ("", "a b", "x:", 5)),
        *((Retry, "max_attempts", value) for value in (0, -1, 2.5, "3", None, True)),
        *((Retry, name, value) for name in ("wait_initial", "wait_max", "max_retry_after") for value in NOT_NUMBERS),
        *((Retry, "factor", value) for value in (0, 0.5, "2")),
        *((Retry, "jitter", value) for value in ("half", None, 0.5)),
        *((Retry, name, value) for name in ("wait", "stop", "retry") for value in (3, "later")),
        *((Retry, "budget", value) for value in (10, True)),
        *(
            (RetryBudget, name, value)
            for name in ("ratio", "burst", "min_per_second", "window")
            for value in NOT_NUMBERS
        ),
        (RetryBudget, "window", 0),
        *((Breaker, name, value) for name in ("failure_ratio", "slow_ratio") for value in (0, 1.5, -1, "x", True)),
        *((Breaker, name, value) for name in ("min_calls", "probes", "closes_after") for value in (0, -1, 1.5, None)),
        *((Breaker, name, value) for name in ("window", "open_for", "open_max") for value in (0, *NOT_NUMBERS)),
        *((Breaker, "consecutive", value) for value in (0, 1.5)),
        *((Breaker, "slow", value) for value in (0, -1)),
        *((Breaker, "key", value) for value in ("host", None)),
        *((Bulkhead, "max_concurrent", value) for value in (0, -1, 1.5, None)),
        *((Bulkhead, "max_waiting", value) for value in (-1, 1.5, None)),
        *((Bulkhead, "max_wait", value) for value in (0, -1, "1")),
        *((Policy, "timeouts", value) for value in (None, 5, {})),
        *((Policy, name, value) for name in ("retry", "breaker", "bulkhead") for value in (3, {}, False)),
        *((Policy, "redirects", value) for value in (-1, 11, True, None)),
        *((Policy, "max_body", value) for value in (-1, 1.5, None)),
        *((Policy, "allow_private", value) for value in (0, "false", None, ["10.0.0.0/8"])),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(kind, option, value):
    with pytest.raises(ConfigError) as refused:
        kind(**{option: value})
    message = str(refused.value)
    assert option in message
    assert "must be" in message
    assert repr(value) in message


@pytest.mark.parametrize("kind", [Timeouts, Retry, RetryBudget, Breaker, Bulkhead, Policy])
def test_an_unknown_option_is_a_type_error(kind):
    with pytest.raises(TypeError, match="retires"):
        kind(retires=3)


@pytest.mark.parametrize("kind", [Timeouts, Retry, RetryBudget, Breaker, Bulkhead, Policy])
def test_options_are_given_by_name(kind):
    with pytest.raises(TypeError):
        kind(3)


@pytest.mark.parametrize(
    ("values", "both"),
    [
        (lambda: Timeouts(attempt=3, total=2), ("attempt=3", "total=2")),
        (lambda: Retry(wait_initial=3, wait_max=2), ("wait_initial=3", "wait_max=2")),
        (lambda: Breaker(open_for=9, open_max=8), ("open_for=9", "open_max=8")),
    ],
)
def test_contradictions_name_both_sides(values, both):
    with pytest.raises(ConfigError) as refused:
        values()
    assert all(part in str(refused.value) for part in both)


def refused_by_a_client(error, match, **options):
    for kind in (Client, AsyncClient):
        with pytest.raises(error, match=match):
            kind(**{"name": "orders", **options})


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"name": ""}, ConfigError, "name=''"),
        ({"name": None}, ConfigError, "name=None"),
        ({"policy": {"retry": 3}}, TypeError, "policy="),
        ({"kernels": object()}, TypeError, "kernels="),
        ({"base_url": "orders"}, ConfigError, "base_url='orders': the scheme.*did you mean 'http://orders'"),
        ({"base_url": "ftp://orders"}, ConfigError, "the scheme must be http or https"),
        ({"base_url": "http://"}, ConfigError, "no host"),
        ({"base_url": "http://u:s3cret@orders"}, ConfigError, r"use auth=\(user, password\)"),
        ({"base_url": "http://orders/?a=1"}, ConfigError, "no query"),
        ({"base_url": "http://orders:99999"}, ConfigError, "1 to 65535"),
        ({"base_url": 5}, TypeError, "base_url=5"),
        ({"headers": {"a b": "c"}}, ValueError, "not a header name"),
        ({"headers": {"a": 5}}, TypeError, r"headers\['a'\]: the value must be a str"),
        ({"headers": "a: b"}, TypeError, "headers=str"),
        ({"headers": {"Content-Length": "5"}}, ValueError, "belongs to one request"),
        ({"auth": 5}, TypeError, "auth=int"),
        ({"verify": 5}, ConfigError, "verify=5"),
        ({"verify": "/no/such/file"}, ConfigError, "no such file"),
        ({"cert": "/no/such/file"}, ConfigError, "cert="),
        ({"proxy": "ftp://proxy"}, ConfigError, "proxy="),
        ({"proxy": 5}, TypeError, "proxy=5"),
        ({"proxy": "http://p:1", "uds": "/s"}, ConfigError, "uds= and proxy="),
        ({"trust_env": True}, ConfigError, "needs base_url"),
        ({"name": "http://orders"}, ConfigError, "that is a URL"),
        ({"base_url": "http://exa mple"}, ConfigError, "not a host name"),
        ({"base_url": "http://a..b"}, ConfigError, "not a host name"),
        ({"verify": "/etc/hosts"}, ConfigError, "no root certificates"),
        ({"local_address": "here"}, ConfigError, "local_address='here'"),
        ({"uds": 3}, TypeError, "uds=3"),
        ({"cert": ("a", "b", "c", "d")}, ConfigError, "cert=tuple"),
        ({"retries": 3}, TypeError, "retries"),
        ({"telemetry": "off"}, TypeError, "telemetry='off': give True or False"),
        ({"allow_other_origins": "no"}, TypeError, "allow_other_origins='no': give True or False"),
        ({"http2": "no"}, TypeError, "http2='no': give True or False"),
        ({"trust_env": 1, "base_url": "http://orders"}, TypeError, "trust_env=1: give True or False"),
        ({"listeners": print}, TypeError, "listeners=.*: give a list of functions"),
        ({"uds": "/s", "local_address": "::1"}, ConfigError, "uds= and local_address= were both given"),
        (
            {"headers": {"X": lambda: {}["token"]}},
            ConfigError,
            r"headers\['X'\]: its function raised KeyError\('token'\)",
        ),
    ],
)
def test_a_client_refuses_what_it_cannot_mean(options, error, match):
    refused_by_a_client(error, match, **options)


def test_a_secret_in_a_refused_url_is_not_shown():
    with pytest.raises(ConfigError) as refused:
        Client("orders", base_url="http://user:s3cret@orders")
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"url": "orders"}, ConfigError, "needs a client with base_url"),
        ({"url": None}, TypeError, "url=None"),
        ({"method": "GET IT"}, ValueError, "not an HTTP method"),
        ({"method": ""}, ValueError, "not an HTTP method"),
        ({"method": "CONNECT"}, ValueError, "use proxy="),
        ({"method": 5}, TypeError, "method=5"),
        ({"json": {}, "data": {}}, TypeError, "json= and data= were both given"),
        ({"content": b"", "json": {}}, TypeError, "content= and json="),
        ({"content": 5}, TypeError, "content=int"),
        ({"content": {"a": 1}}, TypeError, "content=dict"),
        ({"data": b"raw"}, TypeError, "use content= for raw bytes"),
        ({"json": {"a": object()}}, TypeError, "a object is not JSON"),
        ({"json": float("nan")}, ValueError, "JSON"),
        ({"params": 5}, TypeError, "params=int"),
        ({"headers": [("a",)]}, TypeError, "headers="),
        ({"headers": {"Transfer-Encoding": "chunked"}, "content": b"x"}, ValueError, "framing is the client's own"),
        ({"headers": {"Content-Length": "5"}, "content": b"x"}, ValueError, "the body has 1 bytes"),
        ({"headers": [("Content-Length", "1"), ("Content-Length", "1")]}, ValueError, "give one whole number"),
        ({"headers": {"Idempotency-Key": "a"}, "idempotency_key": "b"}, ValueError, "a call has one key"),
        ({"files": {"f": 5}}, TypeError, r"files\['f'\]=int"),
        ({"files": b"x"}, TypeError, "files=bytes"),
        ({"params": [("a", 1), "b"]}, TypeError, "params=list"),
        ({"auth": ("a", 1)}, TypeError, "auth=tuple"),
        ({"policy": Retry()}, TypeError, "policy="),
        ({"route": 5}, TypeError, "route=5"),
        ({"expect": 200}, TypeError, "expect=200"),
        ({"expect": set()}, ConfigError, "expect="),
        ({"expect": {99}}, ConfigError, "expect="),
        ({"expect": {"200"}}, ConfigError, "expect="),
        ({"idempotency_key": 5}, TypeError, "idempotency_key=5"),
        ({"idempotency_key": ""}, TypeError, "idempotency_key=''"),
        ({"auth": 5}, TypeError, "auth=int"),
        ({"timeout": 5}, TypeError, r"timeout=.*allowed are"),
    ],
)
def test_a_call_refuses_what_it_cannot_mean(fault_server, options, error, match):
    values = {"method": "GET", "url": f"{fault_server.url}/", **options}
    with Client("orders") as client, pytest.raises(error, match=match):
        client.request(**values)

    async def asynchronous():
        async with AsyncClient("orders") as client:
            await client.request(**values)

    with pytest.raises(error, match=match):
        asyncio.run(asynchronous())
    fault_server.journal.assert_requests(0)


def test_an_asynchronous_body_needs_the_asynchronous_client(fault_server):
    async def pieces():
        yield b"x"

    with Client("orders") as client, pytest.raises(TypeError, match="needs AsyncClient"):
        client.post(f"{fault_server.url}/echo", content=pieces())


def test_a_text_file_is_refused(fault_server, tmp_path):
    (tmp_path / "f").write_text("x")
    with Client("orders") as client, (tmp_path / "f").open() as handle, pytest.raises(TypeError, match="'rb'"):
        client.post(f"{fault_server.url}/echo", content=handle)


def test_clients_share_kernels_and_their_policy():
    values = Policy(breaker=Breaker(min_calls=3))
    first = Client("a", kernels=Kernels(values))
    second = AsyncClient("b", kernels=first.kernels)
    assert second.policy is first.policy is values
    first.close()
    asyncio.run(second.close())


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("timeout", r"matter of the policy: policy=Policy\(timeouts=Timeouts\(total=\.\.\.\)\)"),
        ("retries", r"policy=Policy\(retry=Retry\(max_attempts=\.\.\.\)\)"),
        ("follow_redirects", r"policy=Policy\(redirects=\.\.\.\)"),
        ("parms", "did you mean params="),
        ("header", "did you mean headers="),
        ("nonsense", "unknown option nonsense=; allowed are auth"),
    ],
)
def test_an_unknown_option_of_a_call_says_what_to_write_instead(option, says):
    with Client("orders", base_url="http://orders") as client, pytest.raises(TypeError, match=says):
        client.get("/", **{option: {}})


def test_a_key_of_a_circuit_that_is_no_origin_is_called_one():
    with Client("orders", base_url="http://orders") as client:
        with pytest.raises(ConfigError, match=r"breaker\(key='orders'\): give an origin, e.g. 'https://payments:443'"):
            client.breaker("orders")


def test_requests_that_are_no_list_are_named():
    with Client("orders", base_url="http://orders") as client:
        with pytest.raises(TypeError, match="requests=7: give a list of them"):
            client.gather(7)


@pytest.mark.parametrize("name", ["json", "decode", "value", "iter_lines", "receive"])
def test_a_failure_taken_for_a_success_says_why_it_is_none(name):
    with Client("orders", base_url="http://127.0.0.1:1", policy=Policy(retry=None)) as client:
        failure = client.get("/?token=s3cret")
    with pytest.raises(
        AttributeError, match=r"'Failure' object has no attribute '.*ask `if result:`.*failed: connect"
    ) as caught:
        getattr(failure, name)
    assert "s3cret" not in str(caught.value)
    assert not hasattr(failure, "__wrapped__")
    assert pickle.loads(pickle.dumps(failure)) == copy.copy(failure) == failure
