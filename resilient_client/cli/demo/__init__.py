"""The demo: one incident, lived through by three ways of calling, each against a server of its own."""
