"""A file is there whole, or as it was before."""

import stat

import pytest

from tfbn.utils.files import written_whole


def test_success_replaces_the_file_and_leaves_nothing_beside_it(tmp_path):
    target = tmp_path / "new folder" / "results.txt"
    for text in ("first", "second"):
        with written_whole(target) as temporary:
            temporary.write_text(text)
            assert not target.exists() or target.read_text() == "first"
        assert target.read_text() == text
    assert list(target.parent.iterdir()) == [target]
    assert target.stat().st_mode & stat.S_IRUSR


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_failure_leaves_the_old_file(tmp_path, error):
    target = tmp_path / "results.txt"
    target.write_text("old")
    with pytest.raises(error), written_whole(target) as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise error
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]
