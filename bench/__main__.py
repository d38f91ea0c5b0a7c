"""`python -m bench`: every measurement, as text."""

from __future__ import annotations

from bench import layers, policy_files, telemetry, throughput


def show(title: str, values: dict[str, float], unit: str) -> None:
    print(f"\n{title}")
    for name, value in values.items():
        print(f"  {name:45} {value:12.2f} {unit if 'ratio' not in name else ''}")


def main() -> None:
    show("Policy layers", layers.measure(), "us")
    show("Telemetry", telemetry.measure(), "us")
    show("Policy files", policy_files.measure(), "")
    for at_once, ours, theirs in ((1, 3000, 2000), (10, 5000, 3000), (100, 6000, 400)):
        show(f"Asynchronous, {at_once} at once", throughput.asynchronous(at_once, ours=ours, theirs=theirs), "")
    for threads in (1, 16):
        show(f"Blocking, {threads} threads", throughput.blocking(threads, count=3200), "")


if __name__ == "__main__":
    main()
