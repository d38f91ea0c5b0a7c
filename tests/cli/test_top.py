"""`top`: one look as plain text or JSON, what it says of sources that are no good, and what it shows in little room."""

from __future__ import annotations

import io
import json
import re
import time
from pathlib import Path

import pytest
from rich.console import Console

from resilient_client import Breaker, Bulkhead, Client, Policy
from resilient_client.cli.top.picture import Moment, picture
from resilient_client.cli.top.rates import History, last_minute
from resilient_client.cli.top.room import share, shown
from resilient_client.cli.top.snapshot import snapshot
from resilient_client.cli.top.source import FileSource, Reading
from resilient_client.cli.top.tables import Look, ago_of
from resilient_client.cli.top.watch import Watch
from resilient_client.publish import serve_state, write_state
from resilient_client.testing import steps

CONTROLS = [*map(chr, range(32)), *map(chr, range(127, 160))]


def client(name: str = "orders", **parts) -> dict:
    """A client of a document: all is well unless `parts` says otherwise."""
    state = {
        "client": name,
        "circuits": {f"https://{name}.internal:443": circuit()},
        "permits_in_use": 1,
        "permits": 100,
        "queued": 0,
        "budget": 10.0,
    }
    return {
        "name": name,
        "base_url": f"https://{name}.internal/",
        "policy": {},
        "calls": 0,
        "failures": 0,
        "cancelled": 0,
        "calls_last_minute": 60,
        "failures_last_minute": 0,
        **{key: value for key, value in parts.items() if key not in state},
        "state": {**state, **{key: value for key, value in parts.items() if key in state}},
    }


def circuit(state: str = "closed", failures: int = 0, retry_after: float | None = None) -> dict:
    return {"state": state, "calls": 20, "failures": failures, "retry_after": retry_after}


def failure(**parts) -> dict:
    told = {"event": "failure", "time": 990.0, "client": "orders", "method": "GET", "route": None}
    told |= {"url": "https://orders.internal/orders/42?token=REDACTED", "kind": "server_error", "status": 503}
    return {**told, "stopped": "max_attempts", "attempts": 3, "elapsed": 1.25, "count": 1, **parts}


def change(**parts) -> dict:
    told = {"event": "circuit", "time": 995.0, "client": "orders", "circuit": "https://orders.internal:443"}
    return {**told, "before": "closed", "after": "open", "calls": 20, "failures": 12, "open_for": 5.0, **parts}


def document(*clients: dict, recent: tuple = (), **parts) -> dict:
    whole = {"version": 1, "time": 1000.0, "recorded": 600.0, "every": None, "pid": 7, "program": "shop"}
    return {**whole, "clients": list(clients), "recent": list(recent), **parts}


def drawn(told: dict, width: int = 120, height: int | None = None, *, gone: str | None = None, age: float = 0.0) -> str:
    """What a screen of that size shows."""
    seen = snapshot(told)
    moment = Moment("http://127.0.0.1:1/state", seen, age, last_minute(seen), gone)
    text = io.StringIO()
    console = Console(file=text, width=width, force_terminal=False, color_system=None)
    console.print(picture(moment, Look(width), height))
    return text.getvalue()


def line_with(text: str, *pieces: str) -> str:
    (found,) = [line for line in text.splitlines() if all(piece in line for piece in pieces)]
    return found


# One look.


def test_a_pipe_gets_one_plain_snapshot(cli, fault_server):
    fault_server.on("GET /well", steps.ok({}))
    fault_server.on("GET /ill", steps.status(503))
    policy = Policy(retry=None, breaker=Breaker(consecutive=2, open_for=50), bulkhead=Bulkhead(max_concurrent=9))
    with serve_state() as server, Client("shop", base_url=fault_server.url, policy=policy) as shop:
        shop.get("/well")
        for _ in range(3):
            shop.get("/ill", params={"token": "hunter2"})
        ran = cli("top", server.url)
    assert (ran.code, ran.err) == (0, "")
    assert not [one for one in CONTROLS if one in ran.out.replace("\n", "")]
    assert "1 of 1 circuit not closed" in ran.out
    assert "75 %" in line_with(ran.out, "shop", "0/9")
    assert " open " in line_with(ran.out, fault_server.url, "2/3", " s")
    assert ran.out.count("server_error 503  GET") == 2
    assert "token=REDACTED" in ran.out
    assert line_with(ran.out, "closed -> open", "2 of 3 failed")
    assert line_with(ran.out, "circuit_open", "rejected")
    assert "hunter2" not in ran.out
    assert not [line for line in ran.out.splitlines() if line != line.rstrip()]


def test_the_path_of_the_url_may_be_left_out(cli):
    with serve_state() as server:
        base = server.url.removesuffix("/state")
        for url in (base, f"{base}/", server.url):
            assert cli("top", url, "--once").code == 0


def test_a_file_is_as_good_as_a_url(cli, tmp_path, fault_server):
    fault_server.on("GET /", steps.ok({}))
    path = tmp_path / "state.json"
    with Client("filed", base_url=fault_server.url) as filed, write_state(path) as writer:
        filed.get("/")
        writer.stop()
        ran = cli("top", "--file", path)
    assert (ran.code, ran.err) == (0, "")
    assert line_with(ran.out, "filed", "0/100")
    assert str(path) in ran.out.splitlines()[0]
    assert "GONE" not in ran.out


def test_json_is_the_document_as_it_was_published(cli, tmp_path):
    path = tmp_path / "state.json"
    told = document(client(), recent=(failure(),), unknown_key=[1])
    path.write_text(json.dumps(told))
    ran = cli("top", "--file", path, "--json")
    assert (ran.code, ran.err) == (0, "")
    assert json.loads(ran.out) == told


def test_a_file_that_nobody_writes_any_more_is_shown_and_said_to_be_old(cli, tmp_path):
    path = tmp_path / "state.json"
    path.write_text(json.dumps(document(client(), every=1.0, time=time.time() - 7200)))
    ran = cli("top", "--file", path)
    assert ran.code == 0
    assert "GONE: nothing was written for 2 h" in ran.out
    assert line_with(ran.out, "orders", "1/100")


# What is no good.


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give the url that serve_state() tells, or --file"),
        (["http://127.0.0.1:1", "--file", "x"], "give the url that serve_state() tells, or --file"),
        (["http://127.0.0.1:1"], "http://127.0.0.1:1/state: connect: "),
        (["127.0.0.1:1"], "has no scheme"),
        (["http://me:hunter2@127.0.0.1:1"], "credentials do not belong in a URL"),
        (["ftp://127.0.0.1:1"], "the scheme must be http or https"),
        (["http://127.0.0.1:99999"], "the port must be"),
        (["--file", "/nowhere/state.json"], "/nowhere/state.json: the file cannot be read: No such file"),
        (["http://127.0.0.1:1", "--every", "0"], "--every"),
    ],
)
def test_a_source_that_is_not_there_is_told_in_one_line(cli, arguments, said):
    ran = cli("top", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.count("\n") == 1
    assert said in ran.err
    assert "hunter2" not in ran.err


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"no json",
        b"[" * 100_000,
        b"[]",
        b"3",
        b"null",
        b"{}",
        b'{"version": 2}',
        json.dumps(document({"name": 3})).encode(),
        json.dumps(document(client(calls="many \x1b[2J"))).encode(),
        json.dumps(document(client(circuits=[1]))).encode(),
        json.dumps(document(recent=({"time": 1},))).encode(),
        json.dumps(document(pid=1e400)).encode(),
        json.dumps(document(time=10**400)).encode(),
    ],
)
def test_what_is_no_such_document_is_told_in_one_line(cli, tmp_path, fault_server, content):
    path = tmp_path / "state.json"
    path.write_bytes(content)
    fault_server.on("GET /state", steps.text(content.decode("latin-1")))
    for arguments in (["--file", path], [fault_server.url]):
        ran = cli("top", *arguments)
        assert (ran.code, ran.out) == (2, "")
        assert "what came is " in ran.err
        assert ran.err.count("\n") == 1
        assert "\x1b" not in ran.err


def test_a_server_that_hangs_is_given_up(cli, fault_server):
    fault_server.on("GET /state", steps.hang())
    began = time.monotonic()
    ran = cli("top", fault_server.url)
    assert ran.code == 2
    assert "deadline" in ran.err
    assert time.monotonic() - began < 15


def test_what_comes_from_outside_cannot_steer_a_terminal():
    evil = "\x1b[2J\x9b\r\n\t"
    told = document(
        client(evil, circuits={evil: circuit(evil)}),
        recent=(failure(url=evil, client=evil, kind=evil, stopped=evil), change(circuit=evil, after=evil)),
        program=evil,
    )
    shown_text = drawn(told)
    assert not [one for one in CONTROLS if one in shown_text.replace("\n", "")]
    assert "\\x1b[2J" in shown_text


# What is shown.


def test_the_worst_client_comes_first():
    told = document(
        client("well", calls_last_minute=600),
        client("failing", failures_last_minute=30),
        client("full", permits_in_use=100, queued=3),
        client("down", circuits={"a": circuit(), "b": circuit("open", 20, 3.0)}),
        client("back", circuits={"a": circuit("half-open", 20, 1.0)}),
        client("shut", circuits={"a": circuit("isolated")}),
    )
    lines = drawn(told).splitlines()
    began = next(place for place, line in enumerate(lines) if line.startswith("client "))
    names = [line.split()[0] for line in lines[began + 1 : began + 7]]
    assert names == ["shut", "down", "back", "failing", "full", "well"]


def test_a_probe_comes_nearer_while_the_snapshot_gets_older():
    told = document(client(circuits={"down": circuit("open", 20, 5.0)}))
    assert "5.0 s" in line_with(drawn(told), "down", "open")
    assert "2.0 s" in line_with(drawn(told, age=3.0), "down", "open")
    assert "0.0 s" in line_with(drawn(told, age=30.0), "down", "open")


def test_failures_are_told_with_their_age_and_how_they_went():
    text = drawn(document(client(), recent=(failure(), failure(kind="circuit_open", status=None, count=312), change())))
    line = line_with(text, "server_error 503")
    for piece in ("10 s", "orders", "GET https://orders.internal/orders/42?token=REDACTED", "1.25 s", "max_attempts"):
        assert piece in line
    assert line_with(text, "circuit_open x312")
    assert line_with(text, "5.0 s", "closed -> open", "https://orders.internal:443, 12 of 20 failed")


def test_what_a_policy_switched_off_is_a_dash():
    told = document(client("bare", permits=None, permits_in_use=None, queued=None, budget=None, circuits={}))
    assert line_with(drawn(told), "bare").split() == ["bare", "1.0", "0", "%", "-", "-", "-"]


def test_an_empty_process_says_so():
    text = drawn(document())
    for said in ("no client with telemetry is open", "no circuit has counted", "nothing has failed"):
        assert said in text


def test_a_source_that_is_gone_is_said_to_be_with_the_last_that_is_known():
    lines = drawn(document(client()), gone="connect: refused", age=12.0).splitlines()
    assert "age 12 s" in lines[0]
    assert lines[1].startswith("GONE: connect: refused; ")
    assert line_with("\n".join(lines), "orders", "1/100")


def test_where_there_are_no_blocks_bars_are_ascii():
    seen = snapshot(document(client(permits_in_use=55)))
    text = io.StringIO()
    Console(file=text, width=120).print(picture(Moment("x", seen, 0.0, last_minute(seen)), Look(120, blocks=False)))
    assert "######....  55/100" in text.getvalue().replace("#####.....", "######....")
    assert text.getvalue().isascii()


# Little room.

CROWD = document(
    *(client(f"service-with-a-rather-long-name-{number:03}") for number in range(199)),
    client("the-one-that-is-down", circuits={"https://down.internal:443": circuit("open", 20, 3.0)}),
    recent=tuple(failure(url=f"https://orders.internal/{'x' * 300}/{number}") for number in range(50)),
)


@pytest.mark.parametrize(("width", "height"), [(60, 24), (60, 16), (80, 24), (100, 30), (200, 60)])
def test_two_hundred_clients_fit_a_screen_of_any_size_and_the_worst_is_on_it(width, height):
    lines = drawn(CROWD, width, height, gone="connect: refused").splitlines()
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    assert line_with(text, "the-one-", "1/100")
    assert line_with(text, "down.internal:443", " open ", "100 %", "3.0 s")
    assert line_with(text, "server_error 503", "10 s", "/xx") if height == 16 else "server_error 503" in text
    assert text.count("... and ") == 3
    heads = [line for line in lines if line.split()[:1] in (["client"], ["circuit"], ["ago"])]
    assert len(heads) == 3


def test_what_is_shown_and_what_is_counted_add_up():
    lines = drawn(CROWD, 100, 30).splitlines()
    more = [line for line in lines if line.startswith("... and ")]
    clients_shown = sum(line.startswith(("service-", "the-one-")) for line in lines)
    assert int(more[0].split()[2]) + clients_shown == 200


def test_without_a_screen_twenty_are_shown():
    text = drawn(CROWD, 500)
    assert "... and 180 more" in text
    assert "... and 30 more" in text
    assert f"/{'x' * 280}" in text


def test_a_narrow_screen_leaves_origins_out_of_urls():
    line = line_with(drawn(document(client(), recent=(failure(),)), 60), "server_error 503")
    assert "GET /orders/42" in line


def test_room_is_shared_in_turns():
    assert share(9, [100, 100, 100]) == [3, 3, 3]
    assert share(10, [100, 1, 100]) == [5, 1, 4]
    assert share(50, [3, 2, 1]) == [3, 2, 1]
    assert share(0, [3, 2, 1]) == [0, 0, 0]
    assert share(-5, [3]) == [0]
    assert shown(5, 5) == (5, 0)
    assert shown(6, 5) == (4, 2)
    assert shown(6, 0) == (0, 6)


def test_times_are_short():
    assert [ago_of(one) for one in (0.04, 3.2, 9.96, 59.0, 61.0, 7300.0, 200_000.0, -3.0)] == [
        *("0.0 s", "3.2 s", "10 s", "59 s", "1 min", "2 h", "2 d", "0.0 s"),
    ]


# Rates.


def at(recorded: float, calls: int, failures: int = 0, **parts):
    return snapshot(document(client(calls=calls, failures=failures), recorded=recorded, **parts))


def test_rates_are_the_difference_of_two_snapshots():
    history = History()
    history.add(at(10.0, 100, 50))
    history.add(at(12.0, 120, 55))
    rate = history.rates()["orders"]
    assert (rate.calls, rate.failed) == (10.0, 0.25)


def test_rates_look_back_five_seconds():
    history = History()
    for second in range(60):
        history.add(at(float(second), 10 * max(0, second - 50)))
    assert history.rates()["orders"].calls == 10.0
    assert history.rates()["orders"].failed == 0.0


def test_with_one_snapshot_it_is_the_last_minute():
    history = History()
    history.add(snapshot(document(client(calls=10_000, calls_last_minute=120, failures_last_minute=12))))
    rate = history.rates()["orders"]
    assert (rate.calls, rate.failed) == (2.0, 0.1)


@pytest.mark.parametrize("parts", [{"pid": 8}, {"recorded": 5.0}])
def test_a_process_that_began_anew_has_no_rates_of_the_old_one(parts):
    history = History()
    history.add(at(10.0, 5000))
    history.add(snapshot(document(client(calls=1, calls_last_minute=1), **{"recorded": 11.0, **parts})))
    assert history.rates()["orders"].calls < 1


def test_the_same_snapshot_read_twice_changes_nothing():
    history = History()
    history.add(at(10.0, 100))
    history.add(at(12.0, 120))
    history.add(at(12.0, 120))
    assert history.rates()["orders"].calls == 10.0


def test_no_calls_have_no_share_of_failures():
    history = History()
    history.add(at(10.0, 100))
    history.add(at(12.0, 100))
    assert history.rates()["orders"].failed is None


# A source that goes and comes back.


def test_the_last_data_stays_with_its_age_until_the_source_is_back(tmp_path):
    path = tmp_path / "state.json"
    now = [50.0]
    path.write_text(json.dumps(document(client(), time=time.time())))
    source = FileSource(path)
    watch = Watch(source, source.read(), lambda: now[0])
    assert watch.moment().gone is None

    path.unlink()
    now[0] = 62.0
    watch.look()
    moment = watch.moment()
    assert "No such file" in moment.gone
    assert 12.0 <= moment.age < 30.0
    assert moment.snapshot.clients[0].name == "orders"

    path.write_text(json.dumps(document(client("new"), time=time.time())))
    watch.look()
    assert watch.moment().gone is None
    assert watch.moment().age < 10.0
    assert watch.moment().snapshot.clients[0].name == "new"


def test_a_file_counts_as_gone_when_three_writes_are_missing(tmp_path):
    now = [0.0]
    told = document(client(), every=2.0)
    watch = Watch(FileSource(tmp_path), Reading(told, snapshot(told)), lambda: now[0])
    now[0] = 7.9
    assert watch.moment().gone is None
    now[0] = 8.1
    assert "nothing was written for 8.1 s" in watch.moment().gone


# The picture in the documentation.


def test_the_picture_fetches_nothing_from_anywhere():
    svg = (Path(__file__).parents[2] / "docs" / "observability" / "top.svg").read_text(encoding="utf-8")
    assert "<svg" in svg
    assert not re.search(r"@font-face|@import|href=|src[=:]|<script|<image|<!--|url\((?!#)", svg)
    assert "s3cret" not in svg
