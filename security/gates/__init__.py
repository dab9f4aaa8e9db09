"""The gates: each runs one tool on one thing and reports what it found; none says what that means.

A gate knows no policy: thresholds, waivers and what a missing severity means are applied to its
report by ``security.policy``. It knows no clock and no variable of the environment: what it may use
is in its task.
"""
