"""`ralikit train reasons`: give a bundle a bank of reasons, without training its tower again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ralikit.typed import typed

if TYPE_CHECKING:
    from ralikit.train.rali.reasons import FittedBank, GoodPhoto
    from ralikit.train.rali.reasons_settings import ReasonsSettings


def register(app: typer.Typer) -> None:
    """Add the command to `ralikit train`."""
    app.command()(reasons)


def reasons(
    bundle: Annotated[Path, typer.Argument(help="Bundle folder; it is written anew.")],
    recipe: Annotated[
        Path | None,
        typer.Option(help="Recipe (.toml) whose photos, text encoder and settings are taken."),
    ] = None,
    photos: Annotated[
        Path | None,
        typer.Option(help="Instead of a recipe: a folder of good photos.", metavar="DIR"),
    ] = None,
    encoder: Annotated[
        str, typer.Option(help="With --photos: the text encoder, as a recipe's texts.encoder.")
    ] = "minilm",
    out: Annotated[
        Path | None, typer.Option(help="Write the bundle here and leave the given one alone.")
    ] = None,
    cache: Annotated[
        Path, typer.Option(help="Folder for decoded photos and embeddings, kept for the next fit.")
    ] = Path("runs/cache"),
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Change a setting: reasons.route=text, data_root=DIR …",
            metavar="KEY=VALUE",
        ),
    ] = None,
) -> None:
    """Fit a bank of reasons on a scorer's embedding: why a photo scores low (docs/reasons.md).

    Tower and scores stay as they are; the bundle's hash changes, so export its files again.
    """
    from ralikit.errors import UsageError
    from ralikit.extras import require

    require("torch", extra="train", job="Fitting reasons")
    if (recipe is None) == (photos is None):
        raise UsageError("name the photos to fit on: --recipe FILE or --photos DIR, one of them")
    from ralikit.cli.progress import progress
    from ralikit.model.bundle import read_bundle
    from ralikit.train.rali.reasons import fit_bank
    from ralikit.train.rali.text_encoders import open_text_encoder

    opened = read_bundle(bundle)
    good, settings, words = _good(recipe, photos, changes, encoder)
    if out is not None:
        opened = read_bundle(_copied(bundle, out))
    with progress() as tell:
        fitted = fit_bank(
            opened,
            good,
            open_text_encoder(words),
            settings,
            cache=cache,
            tell=tell,
        )
    print_routes(fitted)
    typer.echo(f"bundle: {opened.root}\nnext: {typed('ralikit')} score PHOTO --model {opened.root}")


def print_routes(fitted: FittedBank) -> None:
    """A line a route, and which of them is in the bundle."""
    typer.echo("route                  first right  good photos unnamed  AUC, mean")
    for route in fitted.routes:
        auc = sum(route.auc) / len(route.auc)
        mark = "  <- in the bundle" if route is fitted.chosen else ""
        typer.echo(f"{route.name:<22} {route.right:11.1%}  {route.clean:19.1%}  {auc:9.3f}{mark}")


def _good(
    recipe: Path | None, photos: Path | None, changes: list[str] | None, encoder: str
) -> tuple[list[GoodPhoto], ReasonsSettings, str]:
    from ralikit.train.rali.reasons import GoodPhoto, good_photos
    from ralikit.train.rali.reasons_settings import ReasonsSettings

    if recipe is not None:
        from ralikit.cli.train_rali import read_recipe
        from ralikit.train.rali.labelled import read_samples

        read = read_recipe(recipe, changes)
        settings = read.reasons or ReasonsSettings()
        return good_photos(read_samples(read), share=settings.good), settings, read.texts.encoder
    from ralikit.cli.output import print_error
    from ralikit.cli.train import changed
    from ralikit.config import from_mapping
    from ralikit.photo.find import find_photos

    values = changed({}, changes).get("reasons", {})
    settings = from_mapping(ReasonsSettings, values, where="--set reasons")
    found = find_photos([str(photos)], on_skip=print_error)
    return [GoodPhoto(path=p, group=str(p)) for p in found], settings, encoder


def _copied(bundle: Path, out: Path) -> Path:
    import shutil

    from ralikit.files import publish

    with publish(out) as draft:
        shutil.copytree(bundle, draft)
    return out
