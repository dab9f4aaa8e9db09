"""A fail-closed scanner of model files.

The scanner runs no vendor's loader. It parses the bytes and follows symbolically what a loader
would do with them. Only content that is known to be harmless is clean; content that the scanner
does not understand never is. Scan untrusted files with `child.scan_in_child`; `scan.scan_file` runs
the same scanner in this process.
"""
