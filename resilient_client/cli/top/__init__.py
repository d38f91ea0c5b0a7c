"""The command `top`: the clients of a running process, live in a terminal."""
