"""Texts longer than the encoder reads are handled as stated."""

from __future__ import annotations

import numpy as np
import pytest
from support_align import Letters

from ralikit.errors import TrainingError
from ralikit.train.rali import text_encoders as encoders
from ralikit.train.rali.text_encoders import encode_texts


def test_long_texts_are_handled_as_stated() -> None:
    encoder = Letters()
    long = "blurry blurry blurry blurry blurry blurry blurry. " * 3 + "sharp sharp sharp sharp"
    with pytest.raises(TrainingError, match="1 of 2 texts are longer than the 12 tokens"):
        encode_texts(encoder, ["short", long], long_texts="refuse")
    cut, count = encode_texts(encoder, ["short", long], long_texts="truncate")
    split, _ = encode_texts(encoder, ["short", long], long_texts="split")
    assert count == 1
    np.testing.assert_allclose(cut[0], split[0])
    np.testing.assert_allclose(np.linalg.norm(split, axis=1), 1.0, rtol=1e-5)
    chunks = encoders._chunks(encoder, long)
    assert all(encoder.count(c) <= encoder.limit for c in chunks)
    assert sum(c.split().count("sharp") for c in chunks) == 4
    assert sum(w.startswith("blurry") for c in chunks for w in c.split()) == 21
