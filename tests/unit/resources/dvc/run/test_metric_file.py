"""Metrics: text by the rule of DVC."""

from dvc_data.hashfile.istextfile import TEXT_CHARS, istextblock
from hypothesis import example, given
from hypothesis import strategies as st

from resources.dvc.run.metric_file import is_text

TEXTS = st.lists(st.sampled_from([*TEXT_CHARS[:9], 7, 128, 255]), max_size=512).map(bytes)


@example(b"")
@example(b"\xff" * 3 + b"a" * 7)
@example(b"\xff" * 31 + b"a" * 69)
@given(TEXTS | st.binary(max_size=512))
def test_content_is_text_where_dvc_takes_it_for_text(block: bytes) -> None:
    assert is_text(block) == istextblock(block)


def test_content_with_a_nul_is_binary() -> None:
    assert not is_text(b"{}" + b" " * 400 + b"\0")
