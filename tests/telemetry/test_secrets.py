"""No credential in anything that is told, however it was hidden in a URL or a header."""

import io
import logging

import pytest
from heard import Listening, Meters, Spans

from resilient_client import CallFailed, ConfigError, Policy, Retry, load_policies
from resilient_client.testing import VirtualWorld, steps

SECRET = "hunter2hunter2"

QUERIES = [
    *("token", "TOKEN", "access_token", "refresh_token", "id_token", "api_key", "apikey", "api-key", "key"),
    *("password", "passwd", "pwd", "secret", "client_secret", "code", "session", "jwt", "auth", "assertion"),
    *("sig", "Signature", "X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token", "AWSAccessKeyId"),
    *("X-Goog-Signature", "%74oken", "t%6fken", "private_key", "passphrase", "authorization"),
]
HEADERS = [
    *("Authorization", "Proxy-Authorization", "Cookie", "X-Api-Key", "X-Auth-Token", "X-Vault-Token", "Api-Key"),
    *("X-Amz-Security-Token", "X-Csrf-Token", "X-Goog-Api-Key", "X-Access-Token", "X-Session-Token"),
]
TARGETS = [f"/x?a=1&{name}={SECRET}&b=2" for name in QUERIES] + [
    f"/x?token={SECRET}&token={SECRET}",
    f"/x?a;token={SECRET};b",
    f"/x?a=1#token={SECRET}",
    f"/x?token={SECRET}%20{SECRET}",
]


def everything_told_of(step, **options):
    """Make one call and return all that anybody could read about it."""
    world = VirtualWorld()
    world.on("/x", step)
    world.on("/y", step)
    spans, meters, told = Spans(), Meters(), Listening()
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(message)s %(__dict__)s"))
    logger = logging.getLogger()
    logger.addHandler(handler)
    before = logger.level
    logger.setLevel(logging.DEBUG)
    try:
        client = world.client(
            policy=Policy(retry=Retry(max_attempts=2, wait_initial=0, wait_max=0), redirects=2),
            listeners=[spans.listener, meters.listener, told],
        )
        result = client.get(**options)
        raised = ""
        try:
            result.unwrap()
        except CallFailed as failed:
            raised = f"{failed} {failed!r} {failed.failure!r}"
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
    events = "".join(map(repr, told.events))
    said = [
        repr(result),
        result.explain(),
        raised,
        events,
        spans.text(),
        meters.text(),
        stream.getvalue(),
        repr(client),
    ]
    assert spans.all
    assert told.events
    return "\n".join(said)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("step", [steps.status(503), steps.reset(), steps.garbage()], ids=["503", "reset", "garbage"])
def test_a_credential_in_a_query_is_in_nothing_that_is_told(target, step):
    assert SECRET not in everything_told_of(step, url=target)


@pytest.mark.parametrize("name", HEADERS)
def test_a_credential_in_a_header_is_in_nothing_that_is_told(name):
    assert SECRET not in everything_told_of(steps.status(503), url="/x", headers={name: f"Bearer {SECRET}"})


def test_a_credential_of_an_auth_is_in_nothing_that_is_told():
    assert SECRET not in everything_told_of(steps.status(401), url="/x", auth=("me", SECRET))


@pytest.mark.parametrize("location", [f"/y?token={SECRET}", f"http://me:{SECRET}@other/y", f"ftp://me:{SECRET}@other/"])
def test_a_credential_in_the_target_of_a_redirect_is_in_nothing_that_is_told(location):
    assert SECRET not in everything_told_of(steps.redirect(location), url="/x")


@pytest.mark.parametrize("name", ["Set-Cookie", "Authentication-Info", "X-Session-Token"])
def test_a_credential_that_a_server_sends_is_in_nothing_that_is_told(name):
    assert SECRET not in everything_told_of(steps.status(500, headers=[(name, SECRET)]), url="/x")


@pytest.mark.parametrize(
    "url", [f"http://me:{SECRET}@far.side/", f"//me:{SECRET}@far.side/x", f"http://far.side:99999/?token={SECRET}"]
)
def test_a_credential_in_a_url_that_is_refused_is_not_in_the_refusal(url):
    with pytest.raises(ConfigError) as refused:
        VirtualWorld().client().get(url)
    assert SECRET not in str(refused.value)


def test_a_credential_of_a_policy_file_is_not_in_its_report_or_explanation():
    environment = {
        "TOKEN": SECRET,
        "RESILIENT_CLIENT__CLIENTS__A__HEADERS__X_API_KEY": SECRET,
        "RESILIENT_CLIENT__CLIENTS__A__PROXY": f"http://me:{SECRET}@proxy:3128",
    }
    tables = {"headers": {"Authorization": "Bearer ${TOKEN}"}}
    policies = load_policies({"clients": {"a": tables}}, environment=environment)
    assert SECRET not in f"{policies.explain('a')} {policies.explain('a').as_dict()} {policies!r}"
    wrong = {**environment, "RESILIENT_CLIENT__CLIENTS__A__PROXY": f"nowhere://me:{SECRET}@"}
    with pytest.raises(ConfigError) as refused:
        load_policies({"clients": {"a": {**tables, "retri": 1}}}, environment=wrong)
    assert SECRET not in f"{refused.value} {refused.value.problems}"
