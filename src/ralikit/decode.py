"""The former name of `ralikit.photo.decode`, kept for those who import it."""

from ralikit.photo.decode import Photo, PhotoLike, decode

__all__ = ["Photo", "PhotoLike", "decode"]
