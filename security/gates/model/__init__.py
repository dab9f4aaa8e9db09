"""The gates of models: files that run code, quality and performance."""
