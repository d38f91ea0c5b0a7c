"""What came of a soak: numbers, and a verdict that the exit code repeats."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from bench.soak.usage import Usage

SHOWN = 12


@dataclass
class Report:
    """Everything that is told at the end. `wrong` is empty when it went well."""

    calls: int
    seconds: float
    cpu: float
    kinds: Counter[str]
    arrived: int
    acts: dict[str, int]
    cancelled: int
    latest: float
    late: int
    before: Usage
    quarters: list[Usage]
    after: Usage
    wrong: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        done = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in self.acts.items())
        rate, cost = self.calls / self.seconds, self.cpu / self.calls * 1e6
        held = ", ".join(f"{usage.mebibytes:.1f} MiB in {usage.objects} objects" for usage in self.quarters)
        lines = [
            f"{self.calls} calls in {self.seconds:.1f} s ({rate:.0f} per second, {cost:.0f} us of CPU each)",
            f"{self.arrived} requests arrived",
            f"around them: {done}; calls cancelled {self.cancelled}",
            "results:",
            *(f"  {count:8} {kind}" for kind, count in self.kinds.most_common()),
            f"latest end of a call: {self.latest * 1000:.0f} ms after its deadline, {self.late} more than 100 ms",
            f"held at the quarters: {held}",
            f"descriptors: {self.before.descriptors} before, {self.after.descriptors} after",
            f"threads: {self.before.threads} before, {self.after.threads} after",
        ]
        if self.wrong:
            lines += [f"WRONG, {len(self.wrong)} times:", *(f"  {what}" for what in self.wrong[:SHOWN])]
        else:
            lines.append("nothing hung, nothing leaked, every journal agrees")
        return "\n".join(lines)
