"""End-to-end tests: the installed product, driven from outside as a user does."""
