"""The former name of `ralikit.photo.decode`, kept for those who import it."""

from ralikit.photo.decode import PhotoLike, decode

__all__ = ["PhotoLike", "decode"]
