"""Calls from threads and tasks while the file changes: none fails for it, no permit is lost, no policy is torn."""

import asyncio
import threading

from resilient_client import ConfigError, load_policies

CALLS = 10_000
CHANGES = 100

# Each version is told by a number that all of its values agree on: a call that sees two versions at once shows it.


def version(number, url):
    return f"""
[clients.a]
base_url = "{url}"
headers = {{ X-Version = "{number}" }}
timeouts = {{ total = {100 + number}, header = "X-Left" }}
bulkhead = {{ max_concurrent = {1 + number % 7}, max_waiting = 1000 }}
breaker = {{ min_calls = {20 + number}, window = 100000 }}

[[clients.a.routes]]
match = "GET /text"
retry = {{ max_attempts = {1 + number % 5} }}
"""


def test_ten_thousand_calls_pass_while_the_file_changes_a_hundred_times(tmp_path, fault_server):
    path = tmp_path / "services.toml"
    path.write_text(version(0, fault_server.url))
    policies = load_policies(path, environment={})
    wrong, failed, torn, refused = [], [], [], 0
    done = threading.Event()
    made = [0]
    left = iter(range(CALLS))

    def check(result):
        made[0] += 1
        if not result.ok:
            failed.append(result)

    def by_threads(client):
        for _ in left:
            check(client.get("/text"))

    async def by_tasks():
        async def one(client):
            for _ in left:
                check(await client.get("/text"))

        async with policies.async_client("a") as client:
            await asyncio.gather(*(one(client) for _ in range(8)))

    def watch_plans(client):
        """A plan that is seen is whole: all of its parts are of one version."""
        while not done.wait(0.001):
            plan = client._plan
            number = int(plan.policy.timeouts.total) - 100
            attempts = plan.routes.entries[0][1].retry.max_attempts
            version_sent = next(value for name, value in plan.requests._headers if name == b"X-Version")
            if (int(version_sent), attempts) != (number, 1 + number % 5):
                torn.append(plan)

    with policies.client("a") as client:
        threads = [threading.Thread(target=by_threads, args=(client,), daemon=True) for _ in range(8)]
        threads += [threading.Thread(target=lambda: asyncio.run(by_tasks()), daemon=True)]
        observer = threading.Thread(target=watch_plans, args=(client,), daemon=True)
        for thread in (*threads, observer):
            thread.start()
        for number in range(1, CHANGES + 1):
            while made[0] < number * CALLS / (CHANGES + 1) and any(thread.is_alive() for thread in threads):
                done.wait(0.001)
            if number % 10 == 5:
                path.write_text(version(number, fault_server.url) + "[clients.a.retri]\n")
                try:
                    policies.reload()
                except ConfigError:
                    refused += 1
                else:
                    wrong.append(number)
            else:
                path.write_text(version(number, fault_server.url))
                policies.reload()
        for thread in threads:
            thread.join()
        done.set()
        observer.join()
        assert client.state().permits_in_use == client.state().queued == 0
        assert client.state().permits == 1 + CHANGES % 7
        assert client.policy == policies.policy("a")
    assert (failed, wrong, torn, refused) == ([], [], [], CHANGES // 10)
    assert len(fault_server.journal.requests) == CALLS


def test_every_call_is_sent_with_the_values_of_one_version(tmp_path, fault_server):
    path = tmp_path / "services.toml"
    path.write_text(version(0, fault_server.url))
    policies = load_policies(path, environment={})
    with policies.client("a") as client:
        stop = threading.Event()

        def change():
            number = 0
            while not stop.is_set():
                number = (number + 1) % 90
                path.write_text(version(number, fault_server.url))
                policies.reload()

        changing = threading.Thread(target=change, daemon=True)
        changing.start()
        for _ in range(500):
            assert client.get("/text").ok
        stop.set()
        changing.join()
    for seen in fault_server.journal.requests:
        sent, left = int(seen.headers["x-version"]), seen.seconds_left("X-Left")
        assert 100 + sent - 5 < left <= 100 + sent  # of this version's total, less what the call had spent
