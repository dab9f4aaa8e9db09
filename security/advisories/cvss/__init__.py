"""CVSS: severity scores of versions 3.0, 3.1 and 4.0, from vector strings."""
