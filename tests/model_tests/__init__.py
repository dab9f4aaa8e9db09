"""Own the tests that judge the produced model of the example "flight delays"."""
