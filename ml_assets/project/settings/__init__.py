"""Settings: ``[tool.ml-assets]``, parsed once into typed values."""
