"""The authors' released RALI checkpoint as a bundle; every number is carried as it is.

Their scoring, in this order: CLIP's image features as they are (no unit norm); less the PCA mean
(`pca.pkl` alone has it), divided by the absolute `pca_scale`, times the components; unit norm;
cosines with the prototypes at unit norm, times `logit_scale`; softmax; weighted sum of the
prototypes' scores; no clamp. `logit_scale` multiplies directly (it is no logarithm, unlike CLIP's),
so the bundle's temperature is its reciprocal.
"""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ralikit import __version__
from ralikit.errors import BundleError, UsageError
from ralikit.extras import require
from ralikit.files import refuse_existing, sha256_path
from ralikit.importers.hf_names import unwrapped
from ralikit.importers.hf_preprocess import PREPROCESSORS
from ralikit.importers.tensors import unusual
from ralikit.model.bundle import Bundle, BundleInfo, Scale, TowerSpec, write_bundle
from ralikit.model.head import Head
from ralikit.printable import error_says, listed, shown

if TYPE_CHECKING:
    from torch import Tensor

    from ralikit.importers.unpickle import FittedPca

REPOSITORY = "ByteDance/Q-Insight"
SUBFOLDER = "RALI"

CHECKPOINT, PCA, BASIS, CLIP = "ckpt.pt", "pca.pkl", "basis.npz", "best"
_NEEDED = (CHECKPOINT, PCA, f"{CLIP}/config.json")
_SCORER = ("pca_scale", "pca_components", "prototypes", "proto_scores", "logit_scale")
_LICENCE = "as the release states; not stated in its files"


def import_rali(
    checkpoints: Path,
    out: Path,
    *,
    scale: tuple[float, float] = (1.0, 5.0),
    half: bool = False,
    name: str = "rali",
    overwrite: bool = False,
) -> Bundle:
    """Turn the released folder into a bundle that gives the same scores.

    Args:
        checkpoints: Folder with `ckpt.pt`, `pca.pkl`, `best/` and, if it is there, `basis.npz`.
        out: The bundle's folder.
        scale: Ends of the scale its scores are on.
        half: Store the tower's weights in 16 bits: half the size, scores move.
        name: The bundle's name.
        overwrite: Replace an existing bundle.

    Raises:
        BundleError: If something is missing, of another shape, or holds more than numbers.
        UsageError: If the prototypes' scores do not lie on `scale`, or `out` exists.
    """
    require("torch", extra="train", job="Importing RALI's checkpoint")
    _require_files(checkpoints)
    refuse_existing(out, overwrite=overwrite)
    from ralikit.importers.hf_tower import load_hf_tower, read_torch
    from ralikit.importers.unpickle import read_pca

    state = _state(read_torch(checkpoints / CHECKPOINT), checkpoints / CHECKPOINT)
    clip = {n.removeprefix("clip."): t for n, t in state.items() if n.startswith("clip.")}
    tower, preprocess = load_hf_tower(checkpoints / CLIP, weights=clip or None)
    head = _head(state, read_pca(checkpoints / PCA), tower.dim, checkpoints)
    _check_basis(checkpoints / BASIS, head)
    _check_scale(head.scores, scale)
    dtype = np.float16 if half else np.float32
    info = BundleInfo(
        name=name,
        tower=TowerSpec(kind=tower.kind, config=tower.config()),
        preprocess=preprocess,
        temperature=head.temperature,
        normalize=False,
        scale=Scale(minimum=scale[0], maximum=scale[1]),
        text_encoder="CLIP's own, frozen; not part of this bundle",
        provenance={
            "source": f"{REPOSITORY}/{SUBFOLDER} layout, imported by ralikit {__version__}",
            "files": {name: sha256_path(checkpoints / name) for name in (CHECKPOINT, PCA)},
            "clip_weights": CHECKPOINT if clip else CLIP,
        },
        licence=_LICENCE,
        notice="Trained by RALI's authors; check their licence and that of their data.",
    )
    tensors = {k: v.detach().numpy().astype(dtype) for k, v in tower.state_dict().items()}
    return write_bundle(out, info, tower=tensors, head=head, overwrite=overwrite)


def fetch_release(cache: Path | None = None) -> Path:
    """Download the release's `RALI` folder from the Hugging Face hub.

    Returns:
        The local folder to import.

    Raises:
        MissingExtraError: If huggingface_hub is not installed.
        BundleError: If the hub cannot be reached or has no such folder.
    """
    hub = require("huggingface_hub", extra="hub", job="Fetching RALI's release")
    try:
        root = hub.snapshot_download(REPOSITORY, allow_patterns=[f"{SUBFOLDER}/*"], cache_dir=cache)
    except (OSError, ValueError) as error:
        reason = error_says(error, first_line=True)
        raise BundleError(
            f"cannot fetch {REPOSITORY}/{SUBFOLDER} from the hub: {reason.rstrip('.')}; download "
            "it where there is a network, and pass its folder"
        ) from error
    folder = Path(root) / SUBFOLDER
    nested = folder / "checkpoints"
    return nested if (nested / CHECKPOINT).is_file() else folder


def _require_files(folder: Path) -> None:
    if not folder.is_dir():
        raise BundleError(f"{folder} is no folder; expected the release's checkpoints")
    missing = [name for name in _NEEDED if not (folder / name).is_file()]
    if not any((folder / CLIP / name).is_file() for name in PREPROCESSORS):
        missing.append(f"{CLIP}/{PREPROCESSORS[-1]}")
    if missing:
        nested = folder / "checkpoints"
        hint = f"; {nested} is there: pass that" if (nested / CHECKPOINT).is_file() else ""
        raise BundleError(f"{folder} is not RALI's release: it lacks {', '.join(missing)}{hint}")


def _state(checkpoint: Mapping[str, Any], where: Path) -> dict[str, Tensor]:
    """The named tensors of the scorer and its tower, without what wrappers put before names.

    Raises:
        BundleError: If there are none, or those of the scorer are missing.
    """
    inner = checkpoint.get("state_dict", checkpoint)
    if not isinstance(inner, dict):
        raise BundleError(f"{where} has no state_dict: under that name it has {unusual(inner)}")
    state = unwrapped({name: value for name, value in inner.items() if isinstance(name, str)})
    missing = [f"scorer.{name}" for name in _SCORER if f"scorer.{name}" not in state]
    if inner is checkpoint and len(missing) == len(_SCORER):
        raise BundleError(
            f"{where} has no state_dict; it has {listed(checkpoint) or 'nothing'}; save it with "
            "torch.save({'state_dict': model.state_dict()}, 'ckpt.pt')"
        )
    if missing:
        raise BundleError(
            f"{where} lacks {', '.join(missing)}; it has {listed(inner) or 'nothing'}; the "
            "scorer's tensors are expected under scorer., the tower's under clip."
        )
    wrong = [
        (name, unusual(value))
        for name, value in state.items()
        if name.startswith("scorer.") and unusual(value)
    ]
    if wrong:
        name, kind = wrong[0]
        raise BundleError(f"{where}: {shown(name)!r} is no tensor of numbers: it is {kind}")
    return state


def _head(state: Mapping[str, Tensor], pca: FittedPca, dim: int, folder: Path) -> Head:
    scorer = {name: state[f"scorer.{name}"].detach().double().cpu().numpy() for name in _SCORER}
    pca_scale = np.abs(scorer["pca_scale"])
    if pca_scale.size == 0 or not pca_scale.min() > 0:
        raise BundleError(f"{folder / CHECKPOINT}: scorer.pca_scale holds a zero or NaN")
    if scorer["logit_scale"].size != 1:
        raise BundleError(f"{folder / CHECKPOINT}: scorer.logit_scale is not one number")
    flat = [name for name in _SCORER[:-1] if scorer[name].ndim == 0]
    if flat:
        raise BundleError(f"{folder / CHECKPOINT}: scorer.{flat[0]} is a single number")
    if len(pca.mean) != dim:
        raise BundleError(f"{folder / PCA} is for {len(pca.mean)} features, the tower gives {dim}")
    # The release clamps it from below; a NaN is refused by Head.
    logit_scale = max(float(scorer["logit_scale"].reshape(())), 1e-6)
    try:
        return Head(
            pca_mean=pca.mean,
            pca_components=scorer["pca_components"],
            pca_scale=pca_scale,
            centroids=scorer["prototypes"],
            scores=scorer["proto_scores"],
            temperature=1.0 / logit_scale,
            normalize=False,
        )
    except ValueError as error:
        said = shown(str(error), most=300)
        raise BundleError(f"{folder}: the parts do not fit together: {said}") from error


def _check_basis(path: Path, head: Head) -> None:
    """The checkpoint's prototypes win; a basis of another shape belongs to another model."""
    if not path.is_file():
        return
    try:
        shapes = tuple(_shape(path, name) for name in ("vectors", "scores"))
    except (
        *(OSError, ValueError, LookupError, EOFError, SyntaxError, RecursionError, MemoryError),
        *(zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, tokenize.TokenError),
    ) as error:
        reason = error_says(error, most=120)
        raise BundleError(
            f"{path} is no basis of vectors and scores: {reason}; it is compared with the "
            "checkpoint alone: leave it out if it is damaged"
        ) from error
    expected = head.centroids.shape, head.scores.shape
    if shapes != expected:
        raise BundleError(f"{path} has shapes {shapes}, the checkpoint's prototypes {expected}")


def _shape(path: Path, name: str) -> tuple[int, ...]:
    """Shape of an array of a .npz file; none of its numbers are unpacked."""
    read_format: Any = np.lib.format  # without types
    readers = {
        (1, 0): read_format.read_array_header_1_0,
        (2, 0): read_format.read_array_header_2_0,
    }
    with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as part:
        version = read_format.read_magic(part)
        if version not in readers:
            raise ValueError(f"{name} is of numpy's format {version}")
        shape, _, dtype = readers[version](part)
    if dtype.hasobject:
        raise ValueError(f"{name} holds objects, not numbers")
    return tuple(shape)


def _check_scale(scores: NDArray[np.floating[Any]], scale: tuple[float, float]) -> None:
    low, high = scale
    if not low < high:
        raise UsageError(f"a scale goes from low to high, not {scale}")
    # A score fit may leave the scale a little; a median outside it is another scale.
    if not low <= float(np.median(scores)) <= high:
        raise UsageError(
            f"the prototypes' scores run from {scores.min():.3g} to {scores.max():.3g}, not on "
            f"{low:g} to {high:g}; state their scale with --scale"
        )
