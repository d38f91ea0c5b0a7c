"""The command line: one resilient call, the paired server in the foreground, and an incident to watch."""
