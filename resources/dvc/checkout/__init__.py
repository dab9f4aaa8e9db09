"""Checkouts: working trees and commits with all that running stages needs."""
