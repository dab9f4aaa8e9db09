"""Hashing and parsing of untrusted bytes, files and directory trees."""
