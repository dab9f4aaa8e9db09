"""The gate ``dependencies``: known vulnerabilities of what a project pins and installs."""
