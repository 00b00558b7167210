"""Five hundred damaged files: each is read or refused in a sentence, quickly and quietly."""

from __future__ import annotations

import time

import pytest
from support_fuzz import VIEWS, mutations, pictures

from ralikit.errors import PhotoError
from ralikit.photo.decode import decode
from ralikit.photo.views import make_views

COUNT = 500


def test_damaged_files_are_read_or_refused(capfd: pytest.CaptureFixture[str]) -> None:
    files = pictures()
    for data in files.values():
        assert make_views(decode(data), VIEWS).shape == (2, 16, 16, 3)
    read, messages, slowest = 0, [], (0.0, "")
    for name, data in mutations(files, seed=20_26, count=COUNT):
        start = time.process_time()
        try:
            make_views(decode(data, target=VIEWS.resized), VIEWS)
            read += 1
        except PhotoError as error:
            messages.append(str(error))
        slowest = max(slowest, (time.process_time() - start, name))
    assert read + len(messages) == COUNT
    assert len(messages) > COUNT // 4  # the damage is real
    assert read > COUNT // 10  # and decoding did take place
    assert slowest[0] < 5, slowest
    for message in messages:
        assert message.startswith("the image: ")
        assert len(message.splitlines()) == 1
        assert len(message) < 300
    assert "Traceback" not in capfd.readouterr().err
