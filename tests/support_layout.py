"""The layout that recipes name their data in, with stand-ins: a few made-up photos a set.

data/SET/images/…        photos, as the set's publisher names them
data/SET/metas/…         DeQA-Score's label files, and VisualQuality-R1's
data/SET/texts/…         texts of a teacher
data/OWNER/MODEL/        CLIP and SigLIP2
data/weights/            the small models' first weights
shared/                  lists of one's own and their photos, as [[lists]] name them
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

PHOTOS = 16
LITE = "efficientnet_lite"
"""Its stand-in lies in data/weights, under the tower's own names."""

_DEQA = {
    "KONIQ/train_koniq_7k": "",
    "SPAQ/train_spaq_9k": "",
    "KADID10K/train_kadid_8k": "",
    "PIPAL/train_pipal_19k": "Distortion_1/",
}
_PREPARED = {  # as `ralikit data prepare` writes them, on the publisher's scale
    "BIQ2021/biq2021": 1.0,
    "LIVE-WILD/livew": 100.0,
    "AGIQA3K/agiqa3k": 5.0,
}
_VISUALQUALITY = {"KADID10K/kadid_train": (1.0, 5.0), "SPAQ/spaq_train": (0.0, 100.0)}
_LISTS = {
    "biq2021-train-clean": ("biq2021", 1.0),
    "livewild-train": ("livewild", 100.0),
    "agiqa3k-train": ("agiqa3k", 5.0),
}


def _name(index: int) -> str:
    return f"{index:02d}.png"


def _photos(folder: Path) -> None:
    """Photos of growing noise."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(folder.name))
    for index in range(PHOTOS):
        noise = rng.normal(size=(60, 72, 3)) * (4 + 5 * index)
        pixels = (128 + noise).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / _name(index))


def _quality(index: int) -> float:
    """1 (the first photo) to 0."""
    return 1 - index / (PHOTOS - 1)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def lay_out_published(data: Path) -> None:
    """The published sets below `data`."""
    for place, below in _DEQA.items():
        folder, stem = place.split("/")
        _photos(data / folder / "images" / below)
        entries = [
            {
                "id": f"{_name(i)}->{_quality(i):.2f}",
                "image": f"{folder}/images/{below}{_name(i)}",
                "gt_score": round(100 * _quality(i), 2),
                "gt_score_norm": 1 + 4 * _quality(i),
            }
            for i in range(PHOTOS)
        ]
        _write(data / folder / "metas" / f"{stem}.json", json.dumps(entries))
    for place, high in _PREPARED.items():
        folder, stem = place.split("/")
        _photos(data / folder / "images")
        entries = [
            {
                "id": f"{_name(i)}->{_quality(i) * high:g}",
                "image": f"{folder}/images/{_name(i)}",
                "gt_score": _quality(i) * high,
                "gt_score_norm": 1 + 4 * _quality(i),
                "group": f"prompt {i}",
                "split": "test" if i % 4 == 1 else "train",
            }
            for i in range(PHOTOS)
        ]
        _write(data / folder / "metas" / f"{stem}.json", json.dumps(entries))
    for place, (low, high) in _VISUALQUALITY.items():
        folder, stem = place.split("/")
        lines = [
            {
                "id": i,
                "dataset_name": folder,
                "image": [_name(i)],
                "conversations": [
                    {"from": "human", "value": "?"},
                    {"from": "gpt", "value": str(low + (high - low) * _quality(i))},
                ],
            }
            for i in range(PHOTOS)
        ]
        _write(
            data / folder / "metas" / f"{stem}.jsonl",
            "".join(json.dumps(line) + "\n" for line in lines),
        )
    _photos(data / "KADIS700K" / "images")
    triplets = [
        {
            "image": f"KONIQ/images/{_name(i)}",
            "score": 1 + 4 * _quality(i),
            "texts": [
                {"text": f"grain {i} and blur {seed}", "seed": seed, "source": "teacher:none"}
                for seed in range(2)
            ],
        }
        for i in range(PHOTOS)
    ]
    _write(
        data / "KONIQ" / "texts" / "train_koniq_7k.jsonl",
        "".join(json.dumps(triplet) + "\n" for triplet in triplets),
    )


def lay_out_models(data: Path) -> None:
    """CLIP and SigLIP2 below `data`: narrow, with the sizes of the views they are named for."""
    import transformers as tf

    widths = {
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    text = {**widths, "vocab_size": 64, "max_position_embeddings": 12, "bos_token_id": 0}
    text |= {"eos_token_id": 1, "pad_token_id": 1}
    clip = tf.CLIPModel(
        tf.CLIPConfig(
            vision_config={**widths, "patch_size": 14, "image_size": 336},
            text_config=text,
            projection_dim=16,
        )
    )
    siglip = tf.SiglipModel(  # patch 14 at 384: 27 x 27, and 6 pixels that belong to none
        tf.SiglipConfig(
            vision_config={**widths, "patch_size": 14, "image_size": 384}, text_config=text
        )
    )
    for model, processor, name in (
        (
            clip,
            tf.CLIPImageProcessor(size={"shortest_edge": 336}, crop_size=336),
            "openai/clip-vit-large-patch14-336",
        ),
        (
            siglip,
            tf.SiglipImageProcessor(size={"height": 384, "width": 384}),
            "google/siglip2-so400m-patch14-384",
        ),
    ):
        folder = data / name
        model.save_pretrained(folder)
        processor.save_pretrained(folder)
        _tokenizer().save_pretrained(folder)


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["<s>", "</s>", "?", "grain", "and", "blur", *map(str, range(PHOTOS))]
    made = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token=words[2]))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    ends = {"bos_token": words[0], "eos_token": words[1], "pad_token": words[1]}
    return PreTrainedTokenizerFast(tokenizer_object=made, **ends)


def lay_out_development(shared: Path) -> None:
    """The small models' photos and lists below `shared`."""
    for name, high in (("biq2021", 1.0), ("agiqa3k", 5.0)):
        _photos(shared / name / "images")
        _table(
            shared / name / "labels.csv",
            ["file", "mos", "split"],
            [[_name(i), _quality(i) * high, "test" if i % 2 else "train"] for i in range(PHOTOS)],
        )
    for stem, (name, high) in _LISTS.items():
        _photos(shared / "photos" / name)
        _table(
            shared / "lists" / f"{stem}.csv",
            ["file", "mos", "in_shared", "scene", "prompt"],
            [[_name(i), _quality(i) * high, 1, i, i] for i in range(PHOTOS)],
        )


def lay_out_own(folder: Path) -> None:
    """One person's photos and scores, from 1 to 5."""
    _photos(folder / "photos")
    rows = [[_name(i), 1 + 4 * _quality(i)] for i in range(PHOTOS)]
    _table(folder / "labels.csv", ["file", "mos"], rows)


def lay_out_weights(folder: Path) -> None:
    """The small models' first weights."""
    import torch

    from ralikit.model.bundle import write_safetensors
    from ralikit.model.towers import build_tower

    folder.mkdir(parents=True)
    towers = {"mobilenet_v2": ("mobilenet_v2_float", {}), LITE: (LITE, {"variant": 0})}
    for kind, (stem, config) in towers.items():
        tower = build_tower(kind, {"dim": 4, **config})
        for parameter in tower.parameters():
            if parameter.ndim > 1:
                torch.nn.init.kaiming_normal_(parameter)
        weights = {k: v.numpy() for k, v in tower.state_dict().items() if "projection" not in k}
        write_safetensors(folder / f"{stem}.safetensors", weights)


def _table(path: Path, header: list[str], rows: list[list[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(header)
        table.writerows(rows)
