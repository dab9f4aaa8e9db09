"""The gates of code: style, types, security, workflows and tests."""
