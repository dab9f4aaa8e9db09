"""The benchmarks: what ``ml-assets`` costs, measured beside its peers in the same run."""
