"""The policy: rules for gates in each environment, waivers, and decisions on reports."""
