"""The gate ``dependencies``: known vulnerabilities of pinned and installed packages."""
