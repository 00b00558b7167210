"""`ralikit analyze tsne`: where quality texts and photos lie, as pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ralikit.errors import DataError, UsageError
from ralikit.progress import share_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from ralikit.analyze.tsne import Cloud
    from ralikit.data.triplets import Triplet

    Embed = Callable[[list[Path], Callable[[int], object]], NDArray[np.float32]]


def register(app: typer.Typer) -> None:
    """Add `tsne` to the analyses."""
    app.command()(tsne)


def tsne(
    triplets: Annotated[
        list[Path], typer.Argument(help="Quality texts (`ralikit describe`); two for a comparison.")
    ],
    out: Annotated[Path, typer.Option(help="PNG to write.")] = Path("tsne.png"),
    encoder: Annotated[
        str, typer.Option(help="Text encoder: minilm, or a CLIP or SigLIP model.")
    ] = "minilm",
    model: Annotated[
        str | None,
        typer.Option(
            help="What gives the image features: a bundle, or a teacher (folder or hub name), of "
            "which the visual tokens are averaged."
        ),
    ] = None,
    root: Annotated[
        list[Path] | None, typer.Option(help="Folder of the images, one a triplet file.")
    ] = None,
    count: Annotated[int, typer.Option(min=8, help="Photos a set, at most.")] = 500,
    seed: Annotated[int, typer.Option(help="Of the choice of photos and of t-SNE.")] = 0,
    device: Annotated[str | None, typer.Option(help="Of a teacher: cpu, cuda, cuda:1 …")] = None,
) -> None:
    """Draw text embeddings coloured by score (Figure 2), or two sets' photos and texts (Figure 4).

    One triplet file draws its texts. Two, with --model and two --root, draw both sets by image
    features and by text features, and tell how well they mix.
    """
    if len(triplets) == 1 and model is None:
        typer.echo(_draw_scores(triplets[0], out, encoder=encoder, count=count, seed=seed))
        return
    if len(triplets) != 2 or model is None or root is None or len(root) != 2:
        raise UsageError("pass one triplet file, or two with --model MODEL and two --root DIR")
    from ralikit.analyze import tsne as library
    from ralikit.cli.progress import progress

    chosen = [_choose(path, count, seed) for path in triplets]
    visual: list[Cloud] = []
    with progress() as tell:
        tell("loading the model", 0.0)
        embed = _embedder(model, device)
        for path, folder, kept in zip(triplets, root, chosen, strict=True):
            photos = [folder / t.image for t in kept]
            missing = [p for p in photos if not p.is_file()]
            if missing:
                raise DataError(f"{len(missing)} of {len(photos)} images are missing: {missing[0]}")
            features = embed(photos, share_of(tell, f"photos of {path.stem}", len(photos)))
            visual.append(
                library.Cloud(name=_name(path, kept), features=features, scores=_scores(kept))
            )
        tell("embedding texts", 0.0)
        text = [_texts(path, kept, encoder) for path, kept in zip(triplets, chosen, strict=True)]
        tell("laying out points", 0.0)
        found = library.draw_domains(visual, text, out, seed=seed)
    told = ", ".join(f"{name} {value:.3f}" for name, value in found.items())
    typer.echo(f"{out}: mixing of the two sets (0 apart, 1 as one): {told}")


def _draw_scores(path: Path, out: Path, *, encoder: str, count: int, seed: int) -> str:
    """Draw one file's texts by score; what is to be said of the picture."""
    from ralikit.analyze.tsne import draw_scores
    from ralikit.cli.progress import progress

    with progress() as tell:
        tell("embedding texts", 0.0)
        texts = _texts(path, _choose(path, count, seed), encoder)
        tell("laying out points", 0.0)
        agreement = draw_scores(texts, out, title="quality texts", seed=seed)
    many = len(texts.scores)
    return f"{out}: {many} texts; SRCC of a score with its neighbours' {agreement:.3f}"


def _embedder(model: str, device: str | None) -> Embed:
    """What gives photos' features, (n, D): a bundle's tower, or a teacher's visual tokens."""
    from ralikit.models import open_bundle
    from ralikit.train.teacher.vlm import is_hub_name

    folder = Path(model)
    if is_hub_name(model) or (folder / "config.json").is_file():
        from ralikit.analyze.teacher_parts import visual_tokens
        from ralikit.train.teacher.vlm import load_vlm, taught_pixels

        vlm = load_vlm(model, device=device, max_pixels=taught_pixels(model))
        return lambda photos, told: visual_tokens(vlm, photos, progress=told)
    from ralikit.analyze.tsne import embed_photos

    bundle = open_bundle(folder)
    return lambda photos, told: embed_photos(bundle, photos, progress=told)


def _choose(path: Path, count: int, seed: int) -> list[Triplet]:
    import numpy as np

    from ralikit.data.triplets import read_triplets

    rows = [t for t in read_triplets(path) if t.texts]
    if len(rows) <= count:
        return rows
    kept = np.random.default_rng(seed).choice(len(rows), count, replace=False)
    return [rows[i] for i in sorted(kept)]


def _texts(path: Path, kept: list[Triplet], encoder: str) -> Cloud:
    from ralikit.analyze.tsne import Cloud
    from ralikit.train.rali.text_encoders import encode_texts, open_text_encoder

    features, _ = encode_texts(
        open_text_encoder(encoder), [t.texts[0].text for t in kept], long_texts="split"
    )
    return Cloud(name=_name(path, kept), features=features, scores=_scores(kept))


def _scores(kept: list[Triplet]) -> NDArray[np.float64]:
    import numpy as np

    return np.array([t.score for t in kept])


def _name(path: Path, kept: list[Triplet]) -> str:
    return next((t.dataset for t in kept if t.dataset), None) or path.stem
