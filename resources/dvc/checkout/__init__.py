"""Checkouts: working trees and commits with their graph, lock files and cache."""
