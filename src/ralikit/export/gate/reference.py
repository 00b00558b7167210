"""What the pipeline as it was fitted gives on photos, and how a converted file compares with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from ralikit.export.gate.parity import Parity, embedding_shift, parity_of, reasons_parity
from ralikit.export.one_thread import side_by_side
from ralikit.model.bundle import Bundle
from ralikit.model.folded import Folded, with_outputs
from ralikit.model.towers import load_tower
from ralikit.progress import Tell
from ralikit.runtimes import Runtime, Views, checked_score

Scores = NDArray[np.float64]

_SHIFT_PHOTOS = 40


def unfolded_scores(bundle: Bundle, views: Sequence[Views], *, tell: Tell | None = None) -> Scores:
    """The pipeline as it was fitted: pixels, tower in torch, read-out in numpy float64.

    Shares nothing with the folded graph but the weights on disk, so that a mistake in folding
    cannot hide in both.
    """
    return unfolded(bundle, views, tell=tell)[0]


def unfolded(
    bundle: Bundle, views: Sequence[Views], *, tell: Tell | None = None
) -> tuple[Scores, Scores]:
    """`unfolded_scores`, (n,), and the embeddings they come from, averaged over views, (n, D)."""
    info = bundle.info
    tower, head = load_tower(bundle), bundle.head()
    mean = torch.tensor(info.preprocess.mean).view(1, 3, 1, 1)
    std = torch.tensor(info.preprocess.std).view(1, 3, 1, 1)
    scores, embeddings = np.empty(len(views)), np.empty((len(views), head.dim))

    def embedded(photo: Views) -> Scores:
        image = torch.from_numpy(np.array(photo)).permute(0, 3, 1, 2).float() / 255.0
        with torch.inference_mode():
            embedding: Scores = tower((image - mean) / std).double().numpy()  # (V, D)
        return embedding

    for index, embedding in enumerate(side_by_side(embedded, views)):
        embeddings[index] = embedding.mean(axis=0)
        if info.view_pool == "embedding":
            scores[index] = head.score(embeddings[index : index + 1])[0]
        else:
            scores[index] = head.score(embedding).mean()
        if tell is not None:
            tell("reference scores", (index + 1) / len(views))
    return scores, embeddings


def folded_scores(folded: Folded, views: Sequence[Views]) -> Scores:
    """Scores of the folded graph in torch."""
    folded = with_outputs(folded, ("score",))
    with torch.inference_mode():
        return np.array([float(folded(torch.from_numpy(np.array(photo)))) for photo in views])


def runtime_scores(
    runtime: Runtime, views: Sequence[Views], *, tell: Tell | None = None, what: str = "scoring"
) -> Scores:
    """Scores of a converted file, photo by photo, through its runtime."""
    scores = np.empty(len(views))
    for index, photo in enumerate(views):
        scores[index] = runtime.run(photo)
        if tell is not None:
            tell(what, (index + 1) / len(views))
    return scores


def reasons_of(bundle: Bundle, embeddings: Scores) -> Scores:
    """Reasons by the unfolded read-out, float64, (n, D) -> (n, K); K is 0 without a bank."""
    head = bundle.reasons()
    if head is None:
        return np.empty((len(embeddings), 0))
    return np.asarray(head.values(embeddings), dtype=np.float64)


def compared(
    runtime: Runtime,
    bundle: Bundle,
    names: Sequence[str],
    views: Sequence[Views],
    reference: Scores,
    embeddings: Scores,
    *,
    tell: Tell | None = None,
) -> Parity:
    """Run a converted file on photos and compare all that it gives.

    Args:
        runtime: Opened on the file.
        bundle: Whose file it is.
        names: The photos' names, n of them.
        views: Their views.
        reference: Their scores, (n,), by `unfolded`.
        embeddings: Their embeddings, (n, D), by `unfolded`.
        tell: Told the share done.

    Raises:
        ParityError: If a score is not finite, or a reason is not from 0 to 1.
        BundleError: If the runtime fails.
    """
    outputs, what = runtime.facts.outputs, "comparing scores"
    if not {"embedding", "reasons"} & set(outputs):
        return parity_of(names, runtime_scores(runtime, views, tell=tell, what=what), reference)
    scores, found, values = np.empty(len(views)), [], []
    for index, photo in enumerate(views):  # a large tower's seconds, once for all
        given = runtime.outputs(photo)
        scores[index] = checked_score(float(given["score"].flat[0]), where="the file")
        if "embedding" in outputs and index < _SHIFT_PHOTOS:
            found.append(given["embedding"].reshape(-1).astype(np.float64))
        if "reasons" in outputs:
            values.append(given["reasons"].reshape(-1).astype(np.float64))
        if tell is not None:
            tell(what, (index + 1) / len(views))
    parity = parity_of(names, scores, reference)
    if found:
        parity = replace(parity, shift=embedding_shift(np.stack(found), embeddings[: len(found)]))
    if values:
        wanted = reasons_of(bundle, embeddings)
        parity = replace(parity, reasons=reasons_parity(names, np.stack(values), wanted))
    return parity
