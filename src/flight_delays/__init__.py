"""The example: predict whether a flight from New York arrives 15 or more minutes late."""
