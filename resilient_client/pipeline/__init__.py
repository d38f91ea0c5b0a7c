"""The pipeline: every policy a layer, in the one order that is written here.

A layer is ordinary async code around the next one. A blocking client drives the same coroutines to their end with
one step, because its backend never suspends; see `resilient_client.backends`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from resilient_client.policy import Policy, Retry

if TYPE_CHECKING:
    from resilient_client.backends import Backend
    from resilient_client.pipeline.attempt import Send
    from resilient_client.pipeline.kernels import Kernels
    from resilient_client.pipeline.observe import Pipeline

ONCE: Final = Retry(max_attempts=1, budget=None)
"""What `retry=None` means: the first attempt is the last."""


def assemble(policy: Policy, kernels: Kernels, backend: Backend, send: Send) -> Pipeline:
    """Return the pipeline of `policy`, read here from the inside out; the reasons are read from the outside in.

    observe    outermost: makes the result, and tells of it and of everything below exactly once.
    deadline   one budget over queueing, connecting, attempts, backoff and body.
    retry      each attempt passes everything below anew, with deadline and retry budget in hand.
    bulkhead   a permit is held only on the wire, never during backoff; waiting for it costs the deadline, and a
               refusal is neither retried nor a failure of the dependency.
    breaker    looked at before that wait, so that nobody queues for a refusal, and asked after it, so that a circuit
               that opened meanwhile is respected and a probe's place is never held in a queue.
    attempt    innermost: the time limits of one attempt, clamped to what is left, around sending and reading.
    """
    from resilient_client.pipeline.attempt import attempt_layer
    from resilient_client.pipeline.breaker import breaker_layer, unless_shut
    from resilient_client.pipeline.bulkhead import bulkhead_layer
    from resilient_client.pipeline.deadline import deadline_layer
    from resilient_client.pipeline.observe import observe_layer
    from resilient_client.pipeline.retry import retry_layer

    retry = policy.retry or ONCE
    budget = kernels.budget(retry.budget) if retry.budget is not None else None

    handler = attempt_layer(send, policy, backend.now)
    if policy.breaker is not None:
        handler = breaker_layer(handler, backend.now)
    if policy.bulkhead is not None:
        handler = bulkhead_layer(handler, kernels.permits(policy.bulkhead), backend)
    if policy.breaker is not None:
        handler = unless_shut(handler, kernels.circuits(policy.breaker))
    handler = retry_layer(handler, retry, budget, backend)
    handler = deadline_layer(handler, policy.timeouts.total, backend.now)
    return observe_layer(handler, backend.now)
