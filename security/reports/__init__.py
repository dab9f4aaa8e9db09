"""Reports: what gates have found and what the policy makes of it, in the forms that others read."""
