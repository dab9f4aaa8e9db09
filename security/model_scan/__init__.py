"""The fail-closed reader of model files: bytes at a path in, findings or the reason for none out.

A file is judged without a vendor's loader: its bytes are parsed, and what a loader would do with
them is followed symbolically. Only what is known to be harmless passes; what is not understood is
never clean. `child.scan_in_child` is the entry for files that are not trusted, `scan.scan_file` is
the same reader in this process.
"""
