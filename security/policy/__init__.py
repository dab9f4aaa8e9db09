"""The policy: which gates an environment requires, waivers, and the decision about a result."""
