"""The gate ``data``: whether datasets hold their recorded bytes and meet expectations."""
