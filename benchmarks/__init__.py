"""The benchmarks: the cost of ``ml-assets``, measured beside its peers in the same run."""
