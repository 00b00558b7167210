"""What a file is that turns up in the place of another."""

from __future__ import annotations

_KINDS = {
    b"": "it is empty",
    b"version https://git-lfs": "it is a Git LFS pointer (run git lfs pull to fetch the file)",
    b"PK\x03\x04": "it is a zip file, such as torch.save and numpy.savez write",
    b"\x93NUMPY": "it is a .npy array",
    b"\x89HDF": "it is an HDF5 file",
    b"\x04\x22\x4d\x18": "it is compressed with lz4",
    b"\x28\xb5\x2f\xfd": "it is compressed with zstandard",
    b"\x80": "it is a bare pickle",
    b"GGUF": "it is a GGUF file",
    b"<": "it is a web page or XML",
    b"{": "it is JSON",
}


def what_begins(data: bytes) -> str:
    """What bytes look like by how they begin; the start of a sentence.

    Args:
        data: The file's first bytes, 24 or more of them if it has so many.
    """
    for start, kind in _KINDS.items():
        if (start and data.startswith(start)) or data == start:
            return kind
    return f"it begins with the bytes {data[:8].hex(' ')}"
