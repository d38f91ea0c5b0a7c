"""Where policies come from, and which value wins."""

import os
import subprocess
import sys

import pytest

from resilient_client import AsyncClient, Breaker, Bulkhead, Client, ConfigError, Policy, Retry, Timeouts, load_policies
from resilient_client.testing import VirtualWorld, steps

MIB = 1024 * 1024


def test_an_empty_table_is_the_defaults_of_the_code():
    assert load_policies({"clients": {"a": {}}}, environment={}).policy("a") == Policy()


def test_the_example_of_the_guide_means_what_it_says(policy_file):
    policies = policy_file.write(
        """
        [presets.careful]
        retry = { max_attempts = 2 }

        [clients.payments]
        extends  = "careful"
        base_url = "https://payments.internal"
        timeouts = { connect = "500ms", attempt = "2s", total = "5s" }
        breaker  = { failure_ratio = 0.5, min_calls = 20, window = "30s", open_for = "5s" }
        bulkhead = { max_concurrent = 64, max_waiting = 64 }
        max_body = "10MiB"

        [[clients.payments.routes]]
        match = "POST /charges/{id}"
        retry = { max_attempts = 1 }
        """
    ).load()
    assert policies.policy("payments") == Policy(
        timeouts=Timeouts(connect=0.5, attempt=2, total=5),
        retry=Retry(max_attempts=2),
        breaker=Breaker(failure_ratio=0.5, min_calls=20, window=30, open_for=5),
        bulkhead=Bulkhead(max_concurrent=64, max_waiting=64),
        max_body=10 * MIB,
    )
    assert policies.policy("payments", "POST", "/charges/7").retry == Retry(max_attempts=1)
    assert policies.policy("payments", "GET", "/charges/7").retry == Retry(max_attempts=2)


def test_off_switches_off_and_a_table_above_it_begins_at_the_defaults(policy_file):
    policies = policy_file.write(
        """
        [presets.bare]
        retry = "off"
        breaker = { min_calls = 5, slow = "1s" }
        timeouts = { attempt = "off" }
        [clients.a]
        extends = "bare"
        breaker = { slow = "off" }
        [clients.b]
        extends = "bare"
        retry = { max_attempts = 4, budget = "off" }
        bulkhead = "off"
        """
    ).load()
    assert policies.policy("a") == Policy(timeouts=Timeouts(attempt=None), retry=None, breaker=Breaker(min_calls=5))
    assert policies.policy("b").retry == Retry(max_attempts=4, budget=None)
    assert policies.policy("b").bulkhead is None


def test_one_table_of_pyproject_toml_is_read(tmp_path):
    path = tmp_path / "pyproject.toml"
    path.write_text('[project]\nname = "x"\n[tool.resilient_client.clients.a]\nredirects = 11\n')
    with pytest.raises(ConfigError) as caught:
        load_policies(path)
    (problem,) = caught.value.problems
    assert problem.where == f"{path}:4"
    assert problem.key == "clients.a.redirects"
    path.write_text("[tool.resilient_client.clients.a]\nredirects = 3\n")
    assert load_policies(path, environment={}).policy("a").redirects == 3


def test_a_pyproject_toml_without_the_table_says_so(tmp_path):
    path = tmp_path / "pyproject.toml"
    path.write_text('[project]\nname = "x"\n')
    with pytest.raises(ConfigError, match=r"no table \[tool.resilient_client\]"):
        load_policies(path)


def test_without_a_source_the_usual_places_are_looked_at(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="RESILIENT_CLIENT_FILE is not set, and there is no resilient-client.toml"):
        load_policies(environment={})
    (tmp_path / "pyproject.toml").write_text("[tool.resilient_client.clients.from_pyproject]\n")
    assert load_policies(environment={}).names == ("from_pyproject",)
    (tmp_path / "resilient-client.toml").write_text("[clients.from_usual]\n")
    assert load_policies(environment={}).names == ("from_usual",)
    (tmp_path / "other.toml").write_text("[clients.from_variable]\n")
    assert load_policies(environment={"RESILIENT_CLIENT_FILE": "other.toml"}).names == ("from_variable",)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "No such file"),
        (lambda path: path.mkdir(), "Is a directory"),
        (lambda path: path.symlink_to(path), "Too many levels"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path, make, said):
    path = tmp_path / "services.toml"
    make(path)
    with pytest.raises(ConfigError, match=said):
        load_policies(path)


def test_what_is_no_source_is_a_type_error():
    with pytest.raises(TypeError, match="give a path, a dict or None"):
        load_policies(42)


def test_without_pydantic_the_extra_is_named():
    code = """
import sys
sys.modules["pydantic"] = None
from resilient_client import load_policies, ConfigError
try:
    load_policies({})
except ConfigError as problem:
    print(problem)
"""
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert told == "load_policies() needs pydantic; install resilient-client[config]\n"


# Which value wins.

EVERYWHERE = """
    [presets.base]
    retry = { max_attempts = 2, wait_max = "6s", factor = 3 }
    [presets.derived]
    extends = "base"
    retry = { max_attempts = 3, wait_max = "7s" }
    [presets.of_route]
    retry = { max_retry_after = "9s" }
    [clients.a]
    extends = "derived"
    retry = { max_attempts = 4 }
    redirects = 1
    [[clients.a.routes]]
    match = "/deep"
    extends = "of_route"
    retry = { max_attempts = 5 }
    [[clients.a.routes]]
    match = "/shallow"
"""
VARIABLE = "RESILIENT_CLIENT__CLIENTS__A__RETRY__MAX_ATTEMPTS"


def test_a_route_stands_above_its_client_and_a_client_above_its_presets(policy_file):
    policies = policy_file.write(EVERYWHERE).load()
    assert policies.policy("a").retry == Retry(max_attempts=4, wait_max=7, factor=3)
    assert policies.policy("a", "GET", "/deep").retry == Retry(max_attempts=5, wait_max=7, factor=3, max_retry_after=9)
    assert policies.policy("a", "GET", "/shallow") == policies.policy("a")
    assert policies.policy("a", "GET", "/deep").redirects == 1


def test_the_environment_stands_above_the_route(policy_file):
    policies = policy_file.write(EVERYWHERE).load(**{VARIABLE: "6"})
    assert policies.policy("a").retry.max_attempts == 6
    assert policies.policy("a", "GET", "/deep").retry.max_attempts == 6


def test_an_argument_of_code_stands_above_the_environment(policy_file):
    policies = policy_file.write(EVERYWHERE).load(**{VARIABLE: "6"})
    with policies.client("a", retry={"max_attempts": 7}) as client:
        assert client.policy.retry == Retry(max_attempts=7, wait_max=7, factor=3)
    with policies.client("a", policy=Policy(retry=None)) as client:
        assert client.policy == Policy(retry=None)
        assert client._plan.routes is None


def test_the_environment_changes_presets_and_chooses_them(policy_file):
    policies = policy_file.write(EVERYWHERE).load(
        RESILIENT_CLIENT__PRESETS__BASE__RETRY__FACTOR="4", RESILIENT_CLIENT__CLIENTS__A__EXTENDS="base"
    )
    assert policies.policy("a").retry == Retry(max_attempts=4, wait_max=6, factor=4)


def test_built_in_presets_can_be_changed_from_the_environment(policy_file):
    policies = policy_file.write('[clients.a]\nextends = "interactive"').load(
        RESILIENT_CLIENT__PRESETS__INTERACTIVE__TIMEOUTS__TOTAL="4s"
    )
    assert policies.policy("a").timeouts.total == 4


@pytest.mark.parametrize(
    ("variable", "text", "of_policy"),
    [
        ("TIMEOUTS__TOTAL", "1m30s", lambda policy: policy.timeouts.total == 90),
        ("TIMEOUTS__TOTAL", "2.5", lambda policy: policy.timeouts.total == 2.5),
        ("TIMEOUTS__HEADER", "X-Left", lambda policy: policy.timeouts.header == "X-Left"),
        ("BREAKER", "off", lambda policy: policy.breaker is None),
        (
            "RETRY",
            '{ max_attempts = 9, budget = "off" }',
            lambda policy: policy.retry == Retry(max_attempts=9, budget=None),
        ),
        ("RETRY__BUDGET__RATIO", "0.5", lambda policy: policy.retry.budget.ratio == 0.5),
        ("BREAKER__KEY", "client", lambda policy: policy.breaker.key == "client"),
        ("MAX_BODY", "5KiB", lambda policy: policy.max_body == 5120),
        ("REDIRECTS", "2", lambda policy: policy.redirects == 2),
        ("ALLOW_PRIVATE", "false", lambda policy: policy.allow_private is False),
    ],
)
def test_a_variable_is_text_where_text_is_wanted_and_else_a_value_of_toml(variable, text, of_policy):
    environment = {f"RESILIENT_CLIENT__CLIENTS__SEARCH_ENGINE__{variable}": text}
    assert of_policy(load_policies({"clients": {"search-engine": {}}}, environment=environment).policy("search-engine"))


def test_a_variable_gives_the_address_and_headers_of_a_client():
    world = VirtualWorld()
    world.on("/x", steps.echo())
    environment = {
        "RESILIENT_CLIENT__CLIENTS__A__BASE_URL": "http://elsewhere/x",
        "RESILIENT_CLIENT__CLIENTS__A__HEADERS__X_TEAM": "12345",
    }
    policies = load_policies({"clients": {"a": {"headers": {"x-team": "search"}}}}, environment=environment)
    sent = world.client("a", policies=policies).get("").json()
    assert [value for name, value in sent["headers"] if name.lower() == "x-team"] == ["12345"]


@pytest.mark.parametrize(
    ("variable", "text", "said"),
    [
        ("CLIENTS__PAYMENTZ__RETRY", "off", "there is no client PAYMENTZ; did you mean 'PAYMENTS'?"),
        ("PRESETS__CAREFULL__RETRY", "off", "there is no preset CAREFULL; did you mean 'CAREFUL'?"),
        ("CLIENTS__PAYMENTS__RETRI", "off", "is not a key that is known here; did you mean 'retry'?"),
        ("CLIENTS__PAYMENTS__RETRY__MAX_ATTEMPTS", "many", "must be a whole number of at least 1"),
        ("CLIENTS__PAYMENTS", "x", "names no key; write it like"),
        ("CLIENT__PAYMENTS__RETRY", "x", "must begin with RESILIENT_CLIENT__CLIENTS__ or"),
        ("CLIENTS__PAYMENTS__ROUTES__0__RETRY", "off", "routes are set in the file only"),
        ("CLIENTS__SAME_NAME__RETRY", "off", "can be any of 'same-name', 'same.name'"),
        ("CLIENTS__PAYMENTS____RETRY", "off", "names no key"),
    ],
)
def test_a_wrong_variable_is_named(policy_file, variable, text, said):
    policy_file.write("[clients.payments]\n[clients.same-name]\n[clients.'same.name']\n[presets.careful]\n")
    where, _, told = policy_file.mistake(**{f"RESILIENT_CLIENT__{variable}": text})
    assert where == f"RESILIENT_CLIENT__{variable}"
    assert said in told


def test_two_variables_of_which_one_sets_what_the_other_is_in_are_refused(policy_file):
    policy_file.write("[clients.a]")
    (mistake,) = policy_file.mistakes(
        RESILIENT_CLIENT__CLIENTS__A__RETRY="off", RESILIENT_CLIENT__CLIENTS__A__RETRY__FACTOR="2"
    )
    assert "keep one of the two" in mistake[2]


# Clients.


def test_clients_of_one_name_share_their_state(policy_file):
    policies = policy_file.write("[clients.a]\n[clients.b]").load()
    world = VirtualWorld()
    one, other = world.client("a", policies=policies), world.async_client("a", policies=policies)
    assert isinstance(one, Client)
    assert isinstance(other, AsyncClient)
    assert one.kernels is other.kernels
    assert world.client("b", policies=policies).kernels is not one.kernels
    with policies.client("a") as first, policies.client("a") as second:
        assert first.kernels is second.kernels


def test_a_client_that_is_not_in_the_file_is_refused_with_a_proposal(policy_file):
    policies = policy_file.write("[clients.payments]").load()
    with pytest.raises(ConfigError, match="there is no client 'payment' in .*; did you mean 'payments'?"):
        policies.client("payment")


def test_a_wrong_argument_is_told_like_a_line_of_the_file(policy_file):
    policies = policy_file.write("[clients.a]").load()
    with pytest.raises(ConfigError, match="clients.a.timeouts.totl: is not a key that is known here"):
        policies.client("a", timeouts={"totl": 1})
    with pytest.raises(TypeError, match="unexpected keyword argument 'timeout'"):
        policies.client("a", timeout=3)


def test_a_route_of_the_file_gives_calls_their_policy_and_their_name():
    world = VirtualWorld()
    world.on("/api/charges/7", steps.status(503))
    policies = load_policies(
        {
            "clients": {
                "payments": {
                    "base_url": "http://payments/api",
                    "breaker": {"key": "route"},
                    "routes": [{"match": "PUT /charges/{id}", "retry": "off"}],
                }
            }
        },
        environment={},
    )
    client = world.client("payments", policies=policies)
    assert len(client.put("/charges/7").attempts) == 1
    assert len(client.get("/charges/7").attempts) == 3
    assert "/charges/{id}" in client.state().circuits
    assert len(client.put("/charges/7", policy=Policy()).attempts) == 3
    client.put("/charges/7", route="/mine")
    assert "/mine" in client.state().circuits


def test_a_longer_total_of_a_route_is_not_cut_by_the_one_of_its_client():
    world = VirtualWorld()
    world.on("/slow", steps.ok(after=3))
    tables = {"timeouts": {"total": 1}, "routes": [{"match": "/slow", "timeouts": {"total": 5}}]}
    client = world.client("a", policies=load_policies({"clients": {"a": tables}}, environment={}))
    assert client.get("/slow").ok
    assert client.get("/slow", policy=Policy()).ok


# Secrets.


def secret_client(environment):
    world = VirtualWorld()
    world.on("/", steps.echo())
    headers = {"Authorization": "Bearer ${TOKEN}", "X-Cost": "$${TOKEN} $5"}
    policies = load_policies({"clients": {"a": {"headers": headers}}}, environment=environment)
    return policies, world.client("a", policies=policies, base_url="http://a")


def test_a_reference_is_resolved_at_each_call():
    environment = {"TOKEN": "one"}
    _, client = secret_client(environment)
    first = dict(client.get("/").json()["headers"])
    environment["TOKEN"] = "two"
    second = dict(client.get("/").json()["headers"])
    assert (first["Authorization"], second["Authorization"]) == ("Bearer one", "Bearer two")
    assert second["X-Cost"] == "${TOKEN} $5"


def test_the_value_behind_a_reference_is_never_shown():
    policies, client = secret_client({"TOKEN": "s3cret-value"})
    shown = f"{policies.explain('a')} {policies.explain('a').as_dict()} {policies.dump()} {policies!r} {client!r}"
    assert "s3cret-value" not in shown
    assert "Bearer ${TOKEN}" in shown


def test_a_reference_to_nothing_is_told_when_the_client_is_made_and_when_it_is_used():
    environment = {}
    with pytest.raises(ConfigError, match=r"headers\['Authorization'\]: it refers to \$\{TOKEN\}, which is not set"):
        secret_client(environment)
    environment["TOKEN"] = "there"
    _, client = secret_client(environment)
    del environment["TOKEN"]
    with pytest.raises(ConfigError, match=r"\$\{TOKEN\}, which is not set"):
        client.get("/")


def test_a_credential_in_a_file_is_refused_without_being_shown(policy_file):
    policy_file.write('[clients.a]\nheaders = { Authorization = "Bearer s3cret", X-Api-Key = "s3cret" }')
    mistakes = policy_file.mistakes()
    assert [key for _, key, _ in mistakes] == ["clients.a.headers.Authorization", "clients.a.headers.X-Api-Key"]
    assert "s3cret" not in str(mistakes)
    assert load_policies({"clients": {"a": {"headers": {"Authorization": "from code"}}}}, environment={}).names == (
        "a",
    )


def test_a_proxy_may_have_its_password_in_the_environment(policy_file):
    policies = policy_file.write('[clients.a]\nproxy = "http://me:${PASSWORD}@proxy:3128"').load(PASSWORD="s3cret")
    with policies.client("a") as client:
        assert client._settings.wire.proxy == "http://me:s3cret@proxy:3128"
    assert "s3cret" not in str(policies.explain("a"))


def test_the_process_environment_is_read_when_none_is_given(monkeypatch):
    monkeypatch.setitem(os.environ, "RESILIENT_CLIENT__CLIENTS__A__REDIRECTS", "4")
    assert load_policies({"clients": {"a": {}}}).policy("a").redirects == 4


def test_header_values_of_a_client_may_be_functions():
    world = VirtualWorld()
    world.on("/", steps.echo())
    asked = iter(["one", "two", "three"])
    client = world.client("a", headers={"X-Turn": lambda: next(asked)})
    assert dict(client.get("/").json()["headers"])["X-Turn"] == "two"
    assert dict(client.get("/", headers={"X-Turn": "mine"}).json()["headers"])["X-Turn"] == "mine"


# What gives way.


def test_times_of_a_preset_give_way_to_a_shorter_total_that_somebody_writes(policy_file):
    policy_file.write('[clients.a]\nextends = "interactive"\ntimeouts = { total = "800ms" }\n')
    timeouts = policy_file.load().policy("a").timeouts
    assert (timeouts.connect, timeouts.attempt, timeouts.total) == (0.5, 0.8, 0.8)
    assert "preset interactive (built in), shrunk to fit total" in str(policy_file.load().explain("a"))
    shorter = policy_file.load(RESILIENT_CLIENT__CLIENTS__A__TIMEOUTS__TOTAL="300ms")
    assert shorter.policy("a").timeouts == Timeouts(total=0.3)
    assert load_policies(shorter.dump(), environment={}) == shorter


def test_a_variable_for_one_key_does_not_switch_on_what_a_route_has_switched_off(policy_file):
    policy_file.write('[clients.a]\n[[clients.a.routes]]\nmatch = "POST /charges"\nretry = "off"\n')
    policies = policy_file.load(**{VARIABLE: "5"})
    assert policies.policy("a").retry.max_attempts == 5
    assert policies.policy("a", "POST", "/charges").retry is None
    whole = policy_file.load(RESILIENT_CLIENT__CLIENTS__A__RETRY="{ max_attempts = 5 }")
    assert whole.policy("a", "POST", "/charges").retry == Retry(max_attempts=5)


def test_a_variable_for_one_key_of_what_is_off_is_a_mistake(policy_file):
    policy_file.write('[clients.a]\nretry = "off"\n')
    where, key, said = policy_file.mistake(**{VARIABLE: "5"})
    assert (where, key) == (VARIABLE, "clients.a.retry.max_attempts")
    assert '"retry" is off (client a (' in said


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('proxy = "http://me:s3cret@proxy:3128"', "proxy"),
        ('cert = ["client.pem", "client.key", "s3cret"]', "cert"),
    ],
)
def test_a_password_in_a_file_is_refused_without_being_shown(policy_file, line, key):
    policy_file.write(f"[clients.a]\n{line}\n")
    _, told_key, said = policy_file.mistake()
    assert told_key == f"clients.a.{key}"
    assert "s3cret" not in said


def test_a_proxy_may_be_in_the_environment_as_a_whole_and_change_there(policy_file):
    environment = {"PROXY": "http://one:3128"}
    policies = load_policies(policy_file.write('[clients.a]\nproxy = "${PROXY}"').path, environment=environment)
    with policies.client("a") as client:
        assert client._settings.wire.proxy == "http://one:3128"
        environment["PROXY"] = "http://two:3128"
        policies.reload()
        assert client._settings.wire.proxy == "http://two:3128"


@pytest.mark.parametrize(
    "line",
    [
        'cert = ["client.pem", 5, "hunter2"]',
        'cert = ["a", "b", "hunter2", "c"]',
        'proxy = "me:hunter2@proxy:3128"',
        'proxy = "http://${U}:hunter2@proxy:3128"',
        'proxy = "http://me:hunter2${U}@proxy:3128"',
        'base_url = "me:hunter2@host"',
        'base_url = "http://me:hunter2@host"',
        'headers = { Cookie = "hunter2$${" }',
    ],
)
def test_a_password_in_a_value_that_is_wrong_is_not_in_the_report(policy_file, line):
    policy_file.write(f"[clients.a]\n{line}\n")
    with pytest.raises(ConfigError) as refused:
        policy_file.load()
    assert "hunter2" not in f"{refused.value} {refused.value.problems}"


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("HEADERS__AUTHORIZATION", "Bearer ${X} hunter2"),
        ("HEADERS__COOKIE", "hunter2$${"),
        ("PROXY", "http://${U}:hunter2@proxy:3128"),
        ("PROXY", "http://me:hunter2@proxy:3128"),
        ("CERT", '["a", "b", "hunter2"]'),
    ],
)
def test_a_password_of_the_environment_is_not_in_the_explanation(variable, text):
    environment = {f"RESILIENT_CLIENT__CLIENTS__A__{variable}": text}
    policies = load_policies({"clients": {"a": {}}}, environment=environment)
    assert "hunter2" not in f"{policies.explain('a')} {policies.explain('a').as_dict()}"


def test_references_are_shown_as_they_are_written(policy_file):
    policy_file.write(
        '[clients.a]\nproxy = "http://me:${PASSWORD}@proxy:3128"\nheaders = { Authorization = "Bearer ${TOKEN}" }\n'
    )
    shown = str(policy_file.load().explain("a"))
    assert 'proxy = "http://me:${PASSWORD}@proxy:3128"' in shown
    assert 'headers.Authorization = "Bearer ${TOKEN}"' in shown


def test_a_variable_for_one_key_of_what_a_preset_has_off_is_a_mistake():
    variable = "RESILIENT_CLIENT__PRESETS__BATCH__BREAKER__OPEN_FOR"
    with pytest.raises(ConfigError, match='"breaker" is off'):
        load_policies({"clients": {"a": {}}}, environment={variable: "1s"})


def test_routes_of_code_stand_in_place_of_those_of_the_file():
    tables = {"routes": [{"match": "/a", "redirects": 1}]}
    policies = load_policies({"clients": {"a": tables}}, environment={})
    with policies.client("a", routes={"/b": Policy(redirects=2)}) as client:
        assert [str(route) for route, _ in client._plan.routes.entries] == ["/b"]


def test_a_method_that_is_none_is_refused(policy_file):
    policies = policy_file.write("[clients.a]").load()
    with pytest.raises(ValueError, match="not an HTTP method"):
        policies.policy("a", "NO GOOD", "/x")
