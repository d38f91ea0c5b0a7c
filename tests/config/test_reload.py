"""A file that is read again: what changes, what stays, and what a wrong one does."""

import gc
import logging

import pytest

from resilient_client import Bulkhead, Client, ConfigError, FailureKind, Policy, Timeouts, load_policies
from resilient_client.events import ConfigReloaded, ConfigReloadFailed
from resilient_client.testing import FaultServer, VirtualWorld, steps


class Edited:
    """A document in memory that is changed and read again, with clients in virtual time."""

    def __init__(self, **tables):
        self.document = {"clients": {"a": {"base_url": "http://a", **tables}}}
        self.environment = {}
        self.told = []
        self.world = VirtualWorld()
        self.policies = load_policies(self.document, environment=self.environment, listeners=[self.told.append])

    def client(self):
        return self.world.client("a", policies=self.policies)

    def change(self, **tables):
        self.document["clients"]["a"] |= tables
        return self.policies.reload()


def test_later_calls_follow_the_new_values_and_earlier_ones_keep_theirs():
    edited = Edited(retry="off")
    edited.world.on("/", steps.status(503))
    client = edited.client()

    async def one():
        return await edited.world.async_client("a", policies=edited.policies).get("/")

    before = client.get("/")
    assert edited.change(retry={"max_attempts": 2, "wait_max": 0, "wait_initial": 0}) == ("a",)
    assert (len(before.attempts), len(client.get("/").attempts)) == (1, 2)
    assert len(edited.world.run(one()).attempts) == 2


def test_a_call_under_way_keeps_the_policy_it_began_with():
    edited = Edited(retry={"max_attempts": 3, "wait_initial": 1, "wait_max": 1, "jitter": "none"})
    edited.world.on("/", steps.status(500))
    client = edited.world.async_client("a", policies=edited.policies)
    flow = edited.world.spawn(client.get("/"))
    edited.world.advance(0.5)
    edited.change(retry="off")
    edited.world.advance(5)
    assert len(flow.result().attempts) == 3
    assert len(edited.world.run(client.get("/")).attempts) == 1


def test_the_address_and_the_headers_are_reloaded_and_what_is_gone_is_gone():
    edited = Edited(headers={"X-A": "1"}, routes=[{"match": "/", "redirects": 1}])
    edited.world.on("/api/", steps.echo())
    edited.world.on("/", steps.echo())
    client = edited.client()
    assert dict(client.get("/").json()["headers"])["X-A"] == "1"
    del edited.document["clients"]["a"]["routes"]
    del edited.document["clients"]["a"]["headers"]
    edited.change(base_url="http://b/api")
    sent = client.get("/")
    assert sent.url == "http://b/api/"
    assert "X-A" not in dict(sent.json()["headers"])
    assert client._plan.routes is None


def test_an_argument_of_code_stays_above_a_reloaded_file():
    edited = Edited()
    client = edited.world.client("a", policies=edited.policies, redirects=7, headers={"X-Mine": "1"})
    edited.world.on("/", steps.echo())
    edited.change(redirects=3, max_body=10_000, headers={"x-mine": "2", "X-File": "3"})
    assert (client.policy.redirects, client.policy.max_body) == (7, 10_000)
    sent = {name.lower(): value for name, value in client.get("/").json()["headers"]}
    assert (sent["x-mine"], sent["x-file"]) == ("1", "3")


# What stays.


def opened(edited):
    edited.world.on("/", steps.status(500))
    client = edited.client()
    while client.get("/").kind is not FailureKind.CIRCUIT_OPEN:
        pass
    return client


def test_an_open_circuit_stays_open_when_something_else_changes():
    edited = Edited()
    client = opened(edited)
    budget = client.state().budget
    edited.change(timeouts={"total": "3s"}, bulkhead={"max_concurrent": 3})
    assert client.get("/").kind is FailureKind.CIRCUIT_OPEN
    assert client.state().budget == budget


def test_a_circuit_starts_anew_when_its_own_table_changes():
    edited = Edited()
    client = opened(edited)
    edited.change(breaker={"min_calls": 30})
    assert client.get("/").kind is FailureKind.SERVER_ERROR


def test_a_budget_starts_anew_when_its_own_table_changes():
    edited = Edited(breaker="off", retry={"wait_initial": 0})
    edited.world.on("/", steps.status(500))
    client = edited.client()
    for _ in range(50):
        client.get("/")
    assert client.state().budget < 1
    edited.change(redirects=1)
    assert client.state().budget < 1
    edited.change(retry={"wait_initial": 0, "budget": {"burst": 5}})
    assert client.state().budget == pytest.approx(5)


def holding(edited, client, count):
    """Start `count` calls that hang, and return them once each has its permit or its place in the queue."""
    edited.world.on("/hang", steps.hang())
    flows = [edited.world.spawn(client.get("/hang")) for _ in range(count)]
    edited.world.advance(0)
    return flows


def test_a_bulkhead_that_grows_lets_those_in_who_wait():
    edited = Edited(bulkhead={"max_concurrent": 2, "max_waiting": 10}, retry="off")
    client = edited.world.async_client("a", policies=edited.policies)
    holding(edited, client, 5)
    assert (client.state().permits_in_use, client.state().queued) == (2, 3)
    edited.change(bulkhead={"max_concurrent": 4, "max_waiting": 10})
    edited.world.advance(0)
    assert (client.state().permits_in_use, client.state().permits, client.state().queued) == (4, 4, 1)


def test_a_bulkhead_that_shrinks_takes_nothing_away_and_lets_nobody_in_until_there_is_room():
    edited = Edited(bulkhead={"max_concurrent": 4, "max_waiting": 10}, retry="off", timeouts={"total": 8})
    client = edited.world.async_client("a", policies=edited.policies)
    flows = holding(edited, client, 4)
    edited.change(bulkhead={"max_concurrent": 2, "max_waiting": 10})
    more = holding(edited, client, 2)
    assert (client.state().permits_in_use, client.state().permits, client.state().queued) == (4, 2, 2)
    for flow in flows[:2]:
        flow.cancel()
    edited.world.advance(0)
    assert (client.state().permits_in_use, client.state().queued) == (2, 2)
    for flow in flows[2:]:
        flow.cancel()
    edited.world.advance(0)
    assert (client.state().permits_in_use, client.state().queued) == (2, 0)
    for flow in more:
        flow.cancel()
    edited.world.advance(0)
    assert client.state().permits_in_use == 0


def test_permits_of_a_route_and_of_its_client_stay_apart_through_reloads():
    narrow = {"match": "/report", "bulkhead": {"max_concurrent": 1, "max_waiting": 0}}
    edited = Edited(routes=[narrow], retry="off")
    client = edited.world.async_client("a", policies=edited.policies)
    edited.world.on("/report", steps.hang())
    edited.world.on("/", steps.ok())
    flow = edited.world.spawn(client.get("/report"))
    edited.world.advance(0)
    edited.change(bulkhead={"max_concurrent": 9})
    assert edited.world.run(client.get("/report")).kind is FailureKind.BULKHEAD_FULL
    assert edited.world.run(client.get("/")).ok
    flow.cancel()


def test_a_thousand_reloads_leave_no_state_of_old_settings_behind():
    edited = Edited()
    client = edited.client()
    edited.world.on("/", steps.ok())
    for number in range(1000):
        edited.change(
            breaker={"min_calls": number + 1, "window": 1000},
            bulkhead={"max_concurrent": number + 1},
            retry={"budget": {"burst": number}},
        )
        assert client.get("/").ok
    kernels = client.kernels
    assert [len(kernels._circuits), len(kernels._permits), len(kernels._budgets)] == [1, 1, 1]


# What is wrong changes nothing.


def test_a_wrong_file_changes_nothing_and_says_so(policy_file):
    told = []
    policies = load_policies(policy_file.write("[clients.a]\nredirects = 1").path, listeners=[told.append])
    with policies.client("a") as client:
        policy_file.write("[clients.a]\nredirects = 2\nretri = 1")
        with pytest.raises(ConfigError, match="retri"):
            policies.reload()
        assert client.policy.redirects == policies.policy("a").redirects == 1
        policy_file.write("[clients.a]\nredirects = 2")
        assert policies.reload() == ("a",)
        assert client.policy.redirects == 2
    failed, succeeded = told
    assert isinstance(failed, ConfigReloadFailed)
    assert failed.error.problems[0].key == "clients.a.retri"
    assert succeeded == ConfigReloaded(str(policy_file.path), ("a",))


def test_a_client_that_is_in_use_cannot_vanish(policy_file):
    policies = policy_file.write("[clients.a]\n[clients.b]").load()
    with policies.client("a"):
        policy_file.write("[clients.b]")
        with pytest.raises(ConfigError, match="the client 'a' is gone, and it is in use; keep it"):
            policies.reload()
        assert policies.names == ("a", "b")
    gc.collect()


def test_an_argument_that_no_longer_fits_the_file_fails_the_reload_as_a_whole():
    edited = Edited()
    plain = edited.client()
    with_argument = edited.world.client("a", policies=edited.policies, timeouts={"attempt": "9s"})
    with pytest.raises(ConfigError, match="attempt must not be longer than total"):
        edited.change(timeouts={"total": "5s"})
    assert plain.policy.timeouts.total == 30
    assert with_argument.policy.timeouts.attempt == 9


def test_a_reference_that_cannot_be_resolved_fails_the_reload_as_a_whole():
    edited = Edited()
    client = edited.client()
    with pytest.raises(ConfigError, match=r"\$\{NEW\}, which is not set"):
        edited.change(headers={"X-New": "${NEW}"}, redirects=5)
    assert client.policy.redirects == 0
    edited.environment["NEW"] = "1"
    edited.policies.reload()
    assert client.policy.redirects == 5


def test_a_listener_that_raises_is_logged_and_changes_nothing(caplog):
    def broken(event):
        raise ZeroDivisionError

    told = []
    policies = load_policies({"clients": {"a": {}}}, environment={}, listeners=[broken, told.append])
    with caplog.at_level(logging.ERROR, "resilient_client"):
        policies.reload()
    assert len(told) == 1
    assert "a listener raised on ConfigReloaded" in caplog.text


def test_what_did_not_change_is_not_swapped():
    edited = Edited()
    client = edited.client()
    plan = client._plan
    assert edited.policies.reload() == ()
    assert client._plan is plan


def test_a_client_nobody_has_any_more_is_forgotten():
    policies = load_policies({"clients": {"a": {}}}, environment={})
    for _ in range(20):
        policies.client("a").close()
        gc.collect()
    policies.reload()
    assert policies._made == []


# Connections.


def test_other_ways_to_a_server_are_taken_after_a_reload_and_old_connections_closed(policy_file):
    with FaultServer() as server:
        policies = policy_file.write(f'[clients.a]\nbase_url = "{server.url}"').load()
        with policies.client("a") as client:
            assert client.get("/").ok
            policy_file.write(f'[clients.a]\nbase_url = "{server.url}"\nlocal_address = "127.0.0.2"')
            old = client._wire
            policies.reload()
            assert client.get("/").ok
            assert client._wire is not old
            assert old._transport._pool.idle == 0
            assert client.get("/").attempts[0].reused
        assert server.journal.connections_opened == 2


def test_a_file_of_certificates_that_is_not_there_fails_the_reload(policy_file):
    policies = policy_file.write("[clients.a]").load()
    with policies.client("a") as client:
        policy_file.write('[clients.a]\nverify = "/nowhere/roots.pem"\nredirects = 3')
        with pytest.raises(ConfigError, match="nowhere"):
            policies.reload()
        assert client.policy.redirects == 0


def test_http2_in_a_file_is_for_the_asynchronous_client_only():
    policies = load_policies({"clients": {"a": {"http2": True}}}, environment={})
    with policies.client("a") as client:
        assert isinstance(client, Client)


def test_bulkheads_that_come_to_agree_share_their_permits():
    edited = Edited(routes=[{"match": "/x", "bulkhead": {"max_concurrent": 5}}])
    client = edited.client()
    edited.change(bulkhead={"max_concurrent": 5})
    assert list(client.kernels._permits) == [Bulkhead(max_concurrent=5)]
    assert client.policy == Policy(bulkhead=Bulkhead(max_concurrent=5))


# What does not change keeps what it has.


def test_a_client_that_code_holds_to_its_numbers_keeps_its_state():
    tables = {"bulkhead": {"max_concurrent": 10}, "breaker": {"open_for": "1s"}}
    edited = Edited(**tables)
    edited.world.on("/x", steps.ok())
    follows = edited.client()
    held = edited.world.client("a", policies=edited.policies, **tables)
    fixed = edited.world.client("a", policies=edited.policies, policy=Policy(bulkhead=Bulkhead(max_concurrent=10)))
    permits = held.kernels.permits(held.policy.bulkhead)
    edited.change(bulkhead={"max_concurrent": 2}, breaker={"open_for": "2s"})
    assert permits.settings.max_concurrent == 10
    assert held.kernels.permits(held.policy.bulkhead) is permits
    assert follows.state().permits == 2
    for one in (held, fixed):
        one.breaker("http://a").isolate()
        assert one.get("/x").kind is FailureKind.CIRCUIT_OPEN
    assert follows.get("/x").ok


def test_numbers_that_a_single_call_once_brought_do_not_stand_in_the_way_of_a_bulkhead():
    edited = Edited(bulkhead={"max_concurrent": 6, "max_waiting": 20}, retry="off")
    edited.world.on("/", steps.ok())
    client = edited.world.async_client("a", policies=edited.policies)
    edited.world.run(client.get("/", policy=Policy(bulkhead=Bulkhead(max_concurrent=5, max_waiting=20))))
    flows = holding(edited, client, 6)
    edited.change(bulkhead={"max_concurrent": 5, "max_waiting": 20})
    flows += holding(edited, client, 6)
    assert (client.state().permits_in_use, client.state().queued) == (6, 6)
    for flow in flows:
        flow.cancel()


def test_more_routes_than_settings_of_single_calls_are_kept_all_keep_their_circuits():
    routes = [{"match": f"/r{n}", "breaker": {"min_calls": n + 1, "consecutive": 1}} for n in range(300)]
    edited = Edited(routes=routes, retry="off")
    edited.world.on("/r5", steps.status(500))
    edited.world.on("/r299", steps.status(500))
    client = edited.client()
    client.get("/r5")
    client.get("/r299")
    edited.change(redirects=1)
    assert client.get("/r5").kind is client.get("/r299").kind is FailureKind.CIRCUIT_OPEN


def test_a_value_that_cannot_be_sent_fails_the_reload_as_any_other_mistake():
    edited = Edited()
    client = edited.client()
    edited.environment |= {"T": "fine", "U": "one\ntwo"}
    edited.change(headers={"X": "${T}"})
    with pytest.raises(ConfigError, match=r"clients.a: headers\['X'\]: the value must not contain CR, LF or NUL"):
        edited.change(headers={"X": "${U}"})
    assert isinstance(edited.told[-1], ConfigReloadFailed)
    assert client.policy == Policy()


def test_a_default_that_somebody_writes_down_is_taken_over():
    edited = Edited()
    edited.world.on("/", steps.hang())
    client = edited.client()
    patient = Policy(timeouts=Timeouts(attempt=60, total=60, read=60), retry=None)
    assert client.get("/", policy=patient).elapsed == 60
    assert edited.change(timeouts={"total": "30s"}) == ("a",)
    assert client.get("/", policy=patient).elapsed == 30


def test_a_closed_client_is_not_in_use(policy_file):
    policies = policy_file.write("[clients.a]\n[clients.b]").load()
    client = policies.client("a")
    client.close()
    policy_file.write("[clients.b]")
    policies.reload()
    assert policies.names == ("b",)


def test_a_relative_path_stays_what_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "services.toml").write_text("[clients.a]\n")
    policies = load_policies("services.toml", environment={})
    monkeypatch.chdir("/")
    assert policies.source == "services.toml"
    policies.reload()


def test_a_child_that_is_forked_during_a_reload_can_make_clients():
    import os
    import signal
    import threading

    policies = load_policies({"clients": {"a": {}}}, environment={})
    held, go = threading.Event(), threading.Event()

    def hold():
        with policies._turn.lock:
            held.set()
            go.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        policies.client("a").close()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    go.set()
    thread.join()
    assert status == 0


def test_listeners_of_clients_that_are_gone_are_forgotten():
    policies = load_policies({"clients": {"a": {}}}, environment={})
    for _ in range(50):
        policies.client("a", listeners=[lambda event: None]).close()
    gc.collect()
    assert len(policies._kernels["a"].users()) == 0


def test_another_address_may_have_another_proxy_of_the_environment(monkeypatch):
    for name in ("http_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://p1:1")
    monkeypatch.setenv("NO_PROXY", "b")
    document = {"clients": {"a": {"base_url": "http://a", "trust_env": True}}}
    policies = load_policies(document, environment={})
    with policies.client("a") as client:
        assert client._wire._transport._pool._connector.proxy.host == "p1"
        document["clients"]["a"]["base_url"] = "http://b"
        policies.reload()
        assert client._wire._transport._pool._connector.proxy is None


def test_many_threads_may_find_the_same_old_connections_to_close():
    import threading

    class Old:
        async def close(self):
            return

    with Client("a") as client:
        raised = []

        def close_all():
            for _ in range(2000):
                client._retired.append(Old())
                try:
                    client._let_go_of_retired()
                except IndexError as problem:
                    raised.append(problem)

        threads = [threading.Thread(target=close_all) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert raised == []
