"""The settings that DVC adds by itself are no stranger's: an import of any remote can be read."""

import pytest
from dvc.config import Config

from resources.dvc.configuration.remote_choice import find_risk

ADDRESSES = (
    "/srv/cache",
    "s3://bucket/path",
    "gs://bucket",
    "azure://container",
    "gdrive://folder",
    "oss://bucket",
    "hdfs://host/path",
    "ssh://host/path",
    "http://host/path",
    "webdav://host/path",
    "webhdfs://host/path",
)


@pytest.mark.parametrize("address", ADDRESSES)
def test_defaults_of_dvc_are_harmless(address: str) -> None:
    settings = Config.validate({"remote": {"one": {"url": address}}})["remote"]["one"]

    assert find_risk(settings) is None
