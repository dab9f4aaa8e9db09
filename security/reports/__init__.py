"""Reports: decisions on gates as SARIF, JUnit XML, Markdown and in-toto statements."""
