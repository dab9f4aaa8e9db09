"""Statements: claims about subjects named by digest (in-toto Statement v1), by predicate."""
