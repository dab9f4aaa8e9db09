"""The gates: each runs one tool on one subject, and reports its findings.

``registry`` lists the built-in gates. A gate knows no policy: ``security.policy`` applies
thresholds and waivers to its report. It reads no clock and no environment variable.
"""
