"""The plugins of all tests."""

pytest_plugins = (
    "tests.plugins.garbage_collection",
    "tests.plugins.own_environment",
    "tests.plugins.left_out",
    "tests.plugins.unit_lane",
    "tests.plugins.worker_groups",
    "tests.plugins.dvc_projects",
    "tests.plugins.repositories",
    "tests.plugins.sigstore",
)
