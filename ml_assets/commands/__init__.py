"""The commands: one verb a module, each with ``configure`` and ``execute``."""
