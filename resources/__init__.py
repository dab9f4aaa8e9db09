"""The hands: one module or package per outside system."""
