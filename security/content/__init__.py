"""Content: bytes, files and trees, hashed and parsed without trusting them."""
