"""The web server of the UI under attack."""
