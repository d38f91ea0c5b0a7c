"""What is wrong with a file is told: all of it, where, what was found, what is allowed."""

import pytest

from resilient_client import ConfigError, load_policies

TWELVE = """\
[presets.a]
extends = "b"
[presets.b]
extends = "a"

[clients.payments]
base_url = "payments.internal"
timeouts = { connect = "5 secs", total = "5s", attempt = "7s" }
breaker = { failure_ratio = 50, windw = "30s" }
bulkhead = { max_concurrent = 0 }
max_attempts = 3
max_body = "10MB"
retry = { wait_initial = "10s" }
[[clients.payments.routes]]
match = "POST /charges/{id}"
[[clients.payments.routes]]
match = "POST /charges/{key}"

[clients.search]
extends = "interactve"
"""


def test_twelve_mistakes_are_twelve_lines(policy_file):
    policy_file.write(TWELVE)
    assert [(line, key) for line, key, _ in policy_file.mistakes()] == [
        ("4", "presets.b.extends"),
        ("7", "clients.payments.base_url"),
        ("8", "clients.payments.timeouts.attempt"),
        ("8", "clients.payments.timeouts.connect"),
        ("9", "clients.payments.breaker.failure_ratio"),
        ("9", "clients.payments.breaker.windw"),
        ("10", "clients.payments.bulkhead.max_concurrent"),
        ("11", "clients.payments.max_attempts"),
        ("12", "clients.payments.max_body"),
        ("13", "clients.payments.retry.wait_initial"),
        ("17", "clients.payments.routes[1].match"),
        ("20", "clients.search.extends"),
    ]


def test_the_report_is_the_message_and_its_lines_are_values(policy_file):
    policy_file.write('[clients.a]\nretry = { max_atempts = 3 }\ntimeouts = { total = "soon" }\n')
    with pytest.raises(ConfigError) as caught:
        policy_file.load()
    first, second = caught.value.problems
    assert (first.key, first.found) == ("clients.a.retry.max_atempts", "")
    assert (second.key, second.found) == ("clients.a.timeouts.total", '"soon"')
    assert str(caught.value).splitlines() == [
        f"2 mistakes in {policy_file.path}:",
        f"  {policy_file.path}:2: clients.a.retry.max_atempts: is not a key that is known here; "
        "did you mean 'max_attempts'?",
        f'  {policy_file.path}:3: clients.a.timeouts.total = "soon": not a duration; it must be a duration above 0, '
        'such as "250ms" or "1m30s" (a bare number is seconds), or "off"',
    ]


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        ("x = 1", "x", "known are presets, clients"),
        ("[client.a]", "client", "did you mean 'clients'?"),
        ("[clients.a]\nbreaker = true", "clients.a.breaker", 'must be a table, or "off"'),
        ('[clients.a]\ntimeouts = "off"', "clients.a.timeouts", "must be a table"),
        ("[clients.a]\nmax_concurrent = 3", "clients.a.max_concurrent", "did you mean 'bulkhead.max_concurrent'?"),
        ('[clients.a]\nauth = "x"', "clients.a.auth", "credentials belong into the environment"),
        ("[clients.a.retry]\nwait = 1", "clients.a.retry.wait", "only code can give a tenacity strategy"),
        ("[clients.a]\nroutes = {}", "clients.a.routes", "must be an array of tables, written as [[clients.a.routes]]"),
        ("[[clients.a.routes]]", "clients.a.routes[0].match", "is missing; write the calls it is for"),
        ("[clients.a]\nredirects = 11", "clients.a.redirects", "must be a whole number from 0 to 10"),
        ("[clients.a.retry]\nmax_attempts = 3.0", "clients.a.retry.max_attempts", "must be a whole number"),
        ("[clients.a.retry]\nmax_attempts = true", "clients.a.retry.max_attempts", "must be a whole number"),
        ('[clients.a.retry]\njitter = "some"', "clients.a.retry.jitter", 'must be one of "full", "none"'),
        ("[clients.a.timeouts]\ntotal = -1", "clients.a.timeouts.total", "must be a duration above 0"),
        ("[clients.a.timeouts]\ntotal = nan", "clients.a.timeouts.total", "must be a duration above 0"),
        ("[clients.a.timeouts]\ntotal = 2026-11-24", "clients.a.timeouts.total", "must be a duration above 0"),
        (
            '[clients.a.timeouts]\nheader = "a b"',
            "clients.a.timeouts.header",
            'such as "X-Request-Timeout-Ms", or "off"',
        ),
        ("[clients.a]\nheaders = { X = 1 }", "clients.a.headers", "must be a table of names and texts"),
        ('[clients.a]\nheaders = { "a b" = "c" }', "clients.a.headers", "is not a header name"),
        ('[clients.a]\nheaders = { A = "${}" }', "clients.a.headers", "a reference is written ${NAME}"),
        ('[clients.a]\nheaders = { A = "${B" }', "clients.a.headers", "a reference is written ${NAME}"),
        ('[clients.a]\nproxy = "ftp://x"', "clients.a.proxy", "proxy"),
        ("[clients.a]\nverify = 3", "clients.a.verify", "must be true, false or the path of root certificates"),
        ('[clients.a]\ncert = ["a"]', "clients.a.cert", "must be a path, or an array"),
        ('[clients.a]\nextends = "a.b"', "clients.a.extends", "there is no such preset; there are standard,"),
        ("[presets.batch]", "presets.batch", "is built in; choose another name"),
        ('[presets.x]\nextends = "x"', "presets.x.extends", "in a circle: x -> x"),
        (
            "[presets.x.retry]\nwait_initial = 9",
            "presets.x.retry.wait_initial",
            "wait_max must be at least wait_initial",
        ),
        ("[clients.a.breaker]\nopen_for = 90", "clients.a.breaker.open_for", "open_max must be at least open_for"),
    ],
)
def test_each_mistake_names_its_key_and_what_is_allowed(policy_file, text, key, said):
    _, told_key, told = policy_file.write(text).mistake()
    assert (told_key, said in told) == (key, True), told


def test_values_that_contradict_each_other_from_different_places_name_both(policy_file):
    policy_file.write(
        """\
        [presets.quick]
        timeouts = { total = "1s" }
        [clients.a]
        extends = "quick"
        timeouts = { attempt = "2s" }
        """
    )
    line, key, said = policy_file.mistake()
    assert (line, key) == ("5", "clients.a.timeouts.attempt")
    assert f'timeouts.total = "1s" is from preset quick ({policy_file.path}:2)' in said


def test_a_preset_that_is_built_in_is_never_to_blame(policy_file):
    policy_file.write('[clients.a]\nextends = "batch"\nretry = { wait_initial = "2m" }\n')
    line, key, said = policy_file.mistake()
    assert (line, key) == ("3", "clients.a.retry.wait_initial")
    assert "preset batch (built in)" in said


def test_a_circuit_that_could_never_open_for_a_hung_service_is_a_mistake(policy_file):
    policy_file.write("[clients.a]\nbreaker = { min_calls = 50 }\nbulkhead = { max_concurrent = 2 }\n")
    line, key, said = policy_file.mistake()
    assert (line, key) == ("2", "clients.a.breaker.min_calls")
    assert "at most 8 end in that time" in said


@pytest.mark.parametrize(
    "text",
    [
        "bulkhead = { max_concurrent = 1 }",
        "breaker = { min_calls = 50 }\nbulkhead = { max_concurrent = 2 }\n"
        '[[clients.a.routes]]\nmatch = "/many"\nbulkhead = { max_concurrent = 100 }',
        'breaker = { min_calls = 500 }\nbulkhead = "off"',
        'breaker = { min_calls = 500 }\ntimeouts = { attempt = "50ms" }',
    ],
    ids=["nobody chose min_calls", "a route shares the circuit", "no bulkhead", "short attempts"],
)
def test_a_circuit_that_can_open_somehow_is_none(policy_file, text):
    assert policy_file.write(f"[clients.a]\n{text}\n").load().names == ("a",)


@pytest.mark.parametrize("cure", ["min_calls = 8", "consecutive = 5", 'window = "5m"'])
def test_each_cure_that_is_named_cures_it(policy_file, cure):
    key = cure.partition(" ")[0]
    breaker = ", ".join([cure] + (["min_calls = 50"] if key != "min_calls" else []))
    text = f"[clients.a]\nbreaker = {{ {breaker} }}\nbulkhead = {{ max_concurrent = 2 }}\n"
    assert policy_file.write(text).load().names == ("a",)


def test_a_mistake_in_a_preset_is_told_once_however_many_use_it(policy_file):
    policy_file.write(
        "[presets.x.retry]\nwait_initial = 9\n" + "".join(f'[clients.c{n}]\nextends = "x"\n' for n in range(20))
    )
    assert policy_file.mistake()[:2] == ("2", "presets.x.retry.wait_initial")


def test_credentials_in_a_base_url_are_refused_and_not_repeated(policy_file):
    policy_file.write('[clients.a]\nbase_url = "https://user:s3cret@payments"\n')
    with pytest.raises(ConfigError) as caught:
        policy_file.load()
    assert "s3cret" not in f"{caught.value} {caught.value.problems}"


def test_a_dict_is_told_without_a_file():
    with pytest.raises(ConfigError, match=r"^1 mistake:\n  clients.a.retry.factor = 0: must be a finite number of at"):
        load_policies({"clients": {"a": {"retry": {"factor": 0}}}}, environment={})


def test_a_preset_that_is_not_there_is_told_to_everyone_who_asks(policy_file):
    policy_file.write('[clients.a]\nextends = "zz"\n[clients.b]\nextends = "zz"\n')
    assert [(line, key) for line, key, _ in policy_file.mistakes()] == [
        ("2", "clients.a.extends"),
        ("4", "clients.b.extends"),
    ]


def test_a_preset_that_is_not_there_is_refused_each_time():
    policies = load_policies({"clients": {"a": {}}}, environment={})
    for _ in range(2):
        with pytest.raises(ConfigError, match="did you mean 'interactive'"):
            policies.client("a", extends="interctive")
        with pytest.raises(ConfigError, match="there is no such preset"):
            policies.explain("a", changes={"extends": "nope"})


def test_an_argument_stands_above_a_variable_that_it_makes_idle():
    environment = {"RESILIENT_CLIENT__CLIENTS__A__RETRY__MAX_ATTEMPTS": "5"}
    policies = load_policies({"clients": {"a": {}}}, environment=environment)
    with policies.client("a", retry="off") as client:
        assert client.policy.retry is None


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        ("retry = { wait_initial = 1e307 }", "retry.wait_initial", "must be at most 1e+09"),
        ('timeouts = { total = "' + "9" * 400 + '.5s" }', "timeouts.total", "not a duration"),
        ("timeouts = { total = 1e307 }", "timeouts.total", "must be at most 1e+09"),
        ("breaker = { min_calls = 1" + "0" * 400 + " }", "breaker.min_calls", "must be at most 1e+09"),
        ("max_body = 1" + "0" * 400, "max_body", "must be at most 1e+15"),
        ('uds = "/x"\nproxy = "http://p"', "uds", "a unix socket is reached directly"),
        ("trust_env = true", "trust_env", "needs base_url"),
        ('local_address = "nope"', "local_address", "must be an IP address"),
        ('headers = { X-A = "1", x-a = "2" }', "headers", "has one name twice"),
    ],
)
def test_what_no_client_could_be_made_from_is_a_mistake(policy_file, text, key, said):
    _, told_key, told = policy_file.write(f"[clients.a]\n{text}\n").mistake()
    assert (told_key, said in told) == (f"clients.a.{key}", True), told


@pytest.mark.parametrize("name", ["", "http://x"])
def test_what_is_no_name_of_a_client_is_a_mistake(policy_file, name):
    assert "is no name for a client" in policy_file.write(f'[clients."{name}"]\n').mistake()[2]


def test_on_is_a_word_like_others(policy_file):
    policy_file.write('[clients.a]\ntimeouts = { header = "on" }\nheaders = { X = "on" }\n')
    policies = policy_file.load()
    assert load_policies(policies.dump(), environment={}) == policies
    assert 'headers.X = "on"' in str(policies.explain("a"))


@pytest.mark.parametrize(
    "text",
    [
        "[clients.a.headers]\n" + "".join(f'x{n} = "1"\n' for n in range(20_000)),
        "".join(
            f'[[clients.a.routes]]\nmatch = "/{{a}}/x{n}"\n[[clients.a.routes]]\nmatch = "/y{n}/{{b}}"\n'
            for n in range(1000)
        ),
        "".join(f'[presets.p{n}]\nextends = "q{n}"\n' for n in range(2000)),
        "".join(f'[presets.p{n}]\nextends = "p{n + 1}"\n' for n in range(2000)) + "[presets.p2000]\n",
        "".join(f'[presets.p{n}]\nextends = "p{(n + 1) % 2000}"\n' for n in range(2000)),
        "".join(f'[[clients.a.routes]]\nmatch = "/v1/r{n}/{{id}}"\n' for n in range(3000)),
    ],
    ids=["headers", "clashing routes", "unknown presets", "a chain", "a circle", "one prefix"],
)
def test_a_large_file_is_read_or_refused_soon(policy_file, text):
    """The limit of the test run is the bound: what was quadratic took minutes."""
    policy_file.write(text)
    try:
        policy_file.load()
    except ConfigError as refused:
        assert len(str(refused)) < 200_000


def test_presets_on_top_of_each_other_have_an_end(policy_file):
    policy_file.write("".join(f'[presets.p{n}]\nextends = "p{n + 1}"\n' for n in range(40)) + "[presets.p40]\n")
    assert "more than 32 deep" in policy_file.mistakes()[0][2]


@pytest.mark.parametrize("secret", ["s3/cret", "s3#cret", "s3?cret", "s3cret"])
def test_a_password_that_breaks_a_url_is_not_in_the_error(secret):
    tables = {"proxy": "http://me:${T}@h:31"}
    policies = load_policies({"clients": {"a": tables}}, environment={"T": secret})
    whole = load_policies({"clients": {"a": {"proxy": "${T}"}}}, environment={"T": f"me:{secret}"})
    for one in (policies, whole):
        try:
            one.client("a").close()
        except ConfigError as refused:
            assert "s3" not in str(refused)


def test_a_pipe_is_no_policy_file(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="Is no regular file"):
        load_policies(tmp_path / "pipe")


@pytest.mark.parametrize("source", [{"\ud800": 1}, {"clients": {"a": {"base_url": "http://\ud800"}}}])
def test_half_a_character_is_a_mistake_like_others(source):
    with pytest.raises(ConfigError):
        load_policies(source, environment={})
