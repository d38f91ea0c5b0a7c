"""Downloads: a body that goes to a file, and goes on where it broke off."""
