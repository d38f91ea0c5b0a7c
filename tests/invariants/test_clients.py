"""Whatever callers, the far side, the clock and the operator do, in any order: every promise about a client holds.

One machine makes calls and streams on a blocking and an asynchronous client that share their state, cancels them, lets
time pass, changes the far side and the policies, and moves circuits by hand. After each step it looks at what is held;
in the end nothing is, and everything works again.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, nullcontext

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from invariants import laws
from invariants.bounded import bounded, patient
from invariants.connections import Connections
from invariants.observed import Ledger, Made
from invariants.plays import PATHS, PLAYS, plays, readings, requests, tables

from resilient_client import CallFailed, FailureKind, deadline, load_policies
from resilient_client.backends import run_sync
from resilient_client.policy import explicit_total
from resilient_client.testing import VirtualWorld, steps

pytestmark = patient


class Left(Exception):
    """The reader of a stream ran into something of its own."""


async def unsuspended(iterator):
    """Give what an ordinary iterator gives."""
    for item in iterator:
        yield item


class Clients(RuleBasedStateMachine):
    @initialize(
        seed=st.integers(0, 2**16),
        table=tables,
        connecting_takes=st.sampled_from([0.0, 0.0, 0.1]),
        scripts=st.tuples(*(plays for _ in PATHS)),
    )
    def begin(self, seed, table, connecting_takes, scripts):
        self.world = VirtualWorld(seed)
        self.world.connecting_takes = connecting_takes
        self.document = {"clients": {"far-side": table}}
        self.policies = load_policies(self.document, environment={})
        self.ledger = Ledger()
        options = {"policies": self.policies, "listeners": [self.ledger], "telemetry": False}
        self.threads, self.tasks = self.world.client(**options), self.world.async_client(**options)
        self.held = laws.Holdings(self.tasks.kernels)
        self.connections = {client: Connections(client) for client in (self.threads, self.tasks)}
        self.calls = []
        self.flows = []
        for path, names in zip(PATHS, scripts, strict=True):
            self.play(path, names)

    # What the far side does.

    @rule(path=st.sampled_from(PATHS), names=plays)
    def play(self, path, names):
        self.world.on(path, *(PLAYS[name] for name in names))

    @rule(seconds=st.sampled_from([0.1, 0.5, 3.0]))
    def be_away(self, seconds):
        async def away():
            self.world.down()
            await self.world.sleep(seconds)
            self.world.up()

        self.world.spawn(away())

    @rule()
    def close_idle(self):
        self.world.close_idle()

    # What the callers do.

    def make(self, client, request, *, streamed=False):
        policy = request["own"] or client.policy
        total = min(policy.timeouts.total, explicit_total(client.policy))
        if request["ambient"] is not None:
            total = min(total, request["ambient"])
        budget = policy.retry.budget if policy.retry else None
        call = Made(
            number=len(self.calls),
            method=request["method"],
            keyed=request["key"],
            policy=policy,
            client=client,
            budget=client.kernels.budget(budget) if budget is not None else None,
            started=self.world.now,
            until=self.world.now + total,
            streamed=streamed,
        )
        self.calls.append(call)
        self.ledger.calls[call.number] = call
        given = {"policy": request["own"], "idempotency_key": f"key-{call.number}" if request["key"] else None}
        return call, (request["method"], f"{request['path']}?call={call.number}"), given

    @contextmanager
    def inside(self, call, request):
        """Bound by the ambient deadline, if any; whatever comes out ends the call."""
        seconds = request["ambient"]
        try:
            with nullcontext() if seconds is None else deadline(seconds):
                yield
        except (Exception, asyncio.CancelledError) as problem:
            call.raised = problem
        finally:
            call.ended = self.world.now

    @rule(request=requests)
    def call(self, request):
        call, what, given = self.make(self.tasks, request)

        async def flow():
            with self.inside(call, request):
                call.results.append(await self.tasks.request(*what, **given))

        self.start(call, flow())

    @rule(requests=st.lists(requests, min_size=2, max_size=8))
    def calls_at_once(self, requests):
        for request in requests:
            self.call(request)

    @rule(request=requests, reading=readings)
    def stream(self, request, reading):
        call, what, given = self.make(self.tasks, request, streamed=True)

        async def flow():
            with self.inside(call, request):
                async with self.tasks.stream(*what, **given) as result:
                    call.results.append(result)
                    if result:
                        await self.read(call, result.iter_bytes(), reading, self.world.sleep)

        self.start(call, flow())

    async def read(self, call, pieces, reading, pause):
        """Read as far as `reading` says, with a pause after each piece; none comes later than the deadline."""
        count = 0
        while count != reading["upto"]:
            asked = self.world.now
            try:
                await anext(pieces)
            except StopAsyncIteration:
                return
            except CallFailed as problem:
                call.broken = problem.failure
                return
            finally:
                assert self.world.now <= max(call.until, asked) + laws.ROUNDING, "a piece came after the deadline"
            count += 1
            await pause(reading["pause"])
        if reading["then"] == "raise":
            raise Left

    def start(self, call, coroutine):
        self.flows.append((call, self.world.spawn(coroutine)))
        self.settle()

    @rule(request=requests)
    def call_from_a_thread(self, request):
        request = {**request, "ambient": None}
        isolated = self.isolated(request)
        call, what, given = self.make(self.threads, request)
        with self.inside(call, request):
            call.results.append(self.threads.request(*what, **given))
        if isolated:
            (result,) = call.results
            assert result.kind in {FailureKind.CIRCUIT_OPEN, FailureKind.BULKHEAD_FULL, FailureKind.DEADLINE}
            assert not result.sent

    @rule(request=requests, reading=readings)
    def stream_from_a_thread(self, request, reading):
        request = {**request, "ambient": None}
        call, what, given = self.make(self.threads, request, streamed=True)
        with self.inside(call, request), self.threads.stream(*what, **given) as result:
            call.results.append(result)
            if result:
                run_sync(self.read(call, unsuspended(result.iter_bytes()), reading, self.advance_from_a_thread))

    async def advance_from_a_thread(self, seconds):
        self.world.advance(seconds)

    def running(self):
        return [(call, flow) for call, flow in self.flows if not flow.done]

    @precondition(lambda self: self.running())
    @rule(data=st.data())
    def cancel(self, data):
        running = self.running()
        call, flow = running[data.draw(st.integers(0, len(running) - 1))]
        call.interrupted, call.cancelled = True, not call.over
        flow.cancel()
        self.settle()
        assert flow.done, "a cancelled call did not leave at once"

    # What time and the operator do.

    @rule(seconds=st.sampled_from([0.01, 0.1, 0.1, 0.3, 1.0, 5.0]))
    def advance(self, seconds):
        self.world.advance(seconds)

    @rule(table=tables, requests=st.lists(requests, max_size=6))
    def reload(self, table, requests):
        """The policies are swapped, mostly while calls are under way."""
        for request in requests:
            self.call(request)
        self.what_is_held_has_a_holder()
        self.document["clients"]["far-side"] = table
        self.policies.reload()

    def circuit(self, policy):
        if policy.breaker is None:
            return None
        key = "far-side" if policy.breaker.key == "client" else "http://far.side:80"
        return self.tasks.kernels.circuits(policy.breaker).get(key)

    def isolated(self, request):
        circuit = self.circuit(request["own"] or self.threads.policy)
        return circuit is not None and circuit.state == "isolated"

    @rule()
    def isolate(self):
        if (circuit := self.circuit(self.tasks.policy)) is not None:
            circuit.isolate()

    @rule()
    def close_the_circuit(self):
        if (circuit := self.circuit(self.tasks.policy)) is not None:
            circuit.close()

    # What holds.

    def settle(self):
        """Let every flow that can go on do so; no time passes."""
        while self.world.backend.ready:
            self.world.backend._turn()

    @invariant()
    def what_is_held_has_a_holder(self):
        self.settle()
        self.held.look()
        self.held.check_permits(self.calls)
        self.held.check_probes(self.calls)
        self.held.check_budgets(self.calls, self.world.now)
        for client, connections in self.connections.items():
            connections.check(sum(call.on_the_wire for call in self.calls if call.client is client))

    @invariant()
    def calls_that_are_over_keep_their_promises(self):
        for call in self.calls:
            if call.ended is None:
                assert self.world.now <= call.until + laws.ROUNDING or call.streamed, "a call outlived its deadline"
            elif not isinstance(call.raised, (Left, type(None))):
                left = call.interrupted and isinstance(call.raised, asyncio.CancelledError)
                assert left, f"something came out of a call: {call.raised!r}"

    def teardown(self):
        if not hasattr(self, "flows"):
            return
        for path in PATHS:
            self.world.on(path, steps.ok())
        self.world.advance(60)
        self.settle()
        assert all(flow.done for _, flow in self.flows)
        self.what_is_held_has_a_holder()
        self.calls_that_are_over_keep_their_promises()
        self.held.check_nothing_is_held()
        seen = laws.by_exchange(self.world.journal.requests)
        for call in self.calls:
            laws.one_result(call)
            laws.attempts_add_up(call)
            laws.in_time(call)
            laws.journal_agrees(call, seen)
            laws.cancellation_says_nothing(call)
        assert not seen, "the far side saw what nobody says to have sent"
        self.everything_works_again()

    def everything_works_again(self):
        """As many calls as there are permits pass at once, over idle connections and new ones."""
        if (circuit := self.circuit(self.tasks.policy)) is not None:
            circuit.close()
        bulkhead = self.tasks.policy.bulkhead
        at_once = bulkhead.max_concurrent if bulkhead else 5
        self.world.on(PATHS[0], steps.ok(after=0.05))
        for _ in range(at_once):
            self.call({"path": PATHS[0], "method": "GET", "key": False, "own": None, "ambient": None})
        self.world.advance(1)
        self.calls_that_are_over_keep_their_promises()
        assert all(call.results and call.results[0].ok for call in self.calls[-at_once:])


TestClients = Clients.TestCase
TestClients.settings = bounded(120, steps=40)
