"""Rows in blocks: none lost, the last always there."""

import numpy as np
import pytest

from tests.summary.reading import points, read, tags
from tfbn.summary import plugin_values
from tfbn.summary.blocks import Blocks
from tfbn.summary.event_file import EventFile


class Log:
    """Blocks with the file they go to, and what a reader finds in it."""

    def __init__(self, folder, layers):
        self.folder, self.blocks = folder, Blocks("mismatch", layers)
        self.events = EventFile(folder, ".blocks")

    def steps(self):
        self.events.flush()
        events = read(self.folder)
        found = [points(events, tag)[-1][1] for tag in tags(events, "tfbn") if tag.endswith("/steps")]
        return np.concatenate(found).tolist() if found else []


def test_the_row_that_came_last_is_there_after_each_flush(tmp_path, rng):
    log = Log(tmp_path, layers=2)
    log.blocks.thinning.begin(rows=4000)  # every second
    for step in range(6):
        log.blocks.append(step, step, rng.uniform(size=(2, 2)), log.events.add)
        if step in (0, 3):
            log.blocks.flush(log.events.add)
            assert log.steps() == {0: [0], 3: [0, 2, 3]}[step]
    log.blocks.end(log.events.add)
    assert log.steps() == [0, 2, 4, 5]


def test_blocks_are_filled_one_after_another(tmp_path, rng):
    layers = 1024  # 16 rows a block
    log = Log(tmp_path, layers)
    rows = rng.uniform(size=(40, layers, 2)).astype(np.float32)
    for step, values in enumerate(rows):
        log.blocks.append(step, 10 * step, values, log.events.add)
    log.blocks.end(log.events.add)
    assert log.steps() == list(range(0, 400, 10))
    events = read(tmp_path)
    names = [tag for tag in tags(events, "tfbn") if tag.endswith("/values")]
    assert len(names) == 3
    np.testing.assert_array_equal(np.concatenate([points(events, tag)[-1][1] for tag in names]), rows)


def test_nothing_is_written_of_nothing(tmp_path):
    log = Log(tmp_path, layers=1)
    log.blocks.flush(log.events.add)
    log.blocks.end(log.events.add)
    assert log.steps() == []


@pytest.mark.parametrize("array", [np.arange(5), np.float32([[1.5, np.nan]]), np.zeros((0, 2), np.float32)])
def test_arrays_come_back(array, tmp_path):
    events = EventFile(tmp_path, ".values")
    events.add(3, plugin_values.summary(plugin_values.tensor_value("tag", array)))
    events.close()
    ((step, found),) = points(read(tmp_path), "tag")
    assert step == 3
    np.testing.assert_array_equal(found, array)
