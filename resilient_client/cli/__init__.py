"""The command line: a resilient call, policy files checked and explained, the paired server, an incident to watch."""
