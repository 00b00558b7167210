"""The process that holds Q-Insight's base model, or RALI ViT-L, and times it over a batch."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ralikit.bench.worker import serve

# Qwen2.5-VL's published configurations; "tiny" keeps the structure for tests.
_TEXT: dict[str, dict[str, Any]] = {
    "7b": {
        "vocab_size": 152064,
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "tie_word_embeddings": False,
        "mrope": [16, 24, 24],
    },
    "3b": {
        "vocab_size": 151936,
        "hidden_size": 2048,
        "intermediate_size": 11008,
        "num_hidden_layers": 36,
        "num_attention_heads": 16,
        "num_key_value_heads": 2,
        "tie_word_embeddings": True,
        "mrope": [16, 24, 24],
    },
    "tiny": {
        "vocab_size": 151936,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "tie_word_embeddings": True,
        "mrope": [2, 3, 3],
    },
}
_IMAGE, _VISION_START, _VISION_END, _WORD = 151655, 151652, 151653, 1000


class TeacherWorker:
    """The state between commands: one model and the inputs it is timed on."""

    def load_teacher(
        self, photo: str, threads: int, size: str, folder: str, tokens: int
    ) -> dict[str, Any]:
        """Make or read the teacher, bf16, and its inputs for one photo."""
        torch.set_num_threads(threads)
        self.device = _device()
        start = time.perf_counter()
        self.model = _read_teacher(folder) if folder else random_teacher(size, self.device)
        self.model = self.model.to(self.device).eval()
        self.photo, self.tokens = photo, tokens
        pixels, grid = _image_inputs(photo)
        self.inputs = {"pixel_values": pixels.to(self.device, torch.bfloat16), "grid": grid}
        vision = int(grid.prod()) // 4
        self.prompt = _prompt_ids(vision)
        self.run = self._generate
        weights = "trained" if folder else "random"
        note = (
            "SDPA attention, KV cache, bf16, exactly 100 generated tokens, greedy; the prompt's "
            "words and punctuation marks counted as one token each (no tokenizer needed)"
        )
        return self._describe(
            f"Q-Insight (Qwen2.5-VL-{size.upper()})" if not folder else Path(folder).name,
            "bf16",
            weights,
            time.perf_counter() - start,
            note,
            {"vision_tokens": vision, "prompt_tokens": len(self.prompt)},
        )

    def load_rali(self, photo: str, threads: int, size: str, precision: str) -> dict[str, Any]:
        """Make RALI ViT-L/14-336 (a small ViT for the tiny teacher) with random weights."""
        torch.set_num_threads(threads)
        self.device = _device()
        start = time.perf_counter()
        dtype = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[precision]
        self.model = random_rali(tiny=size == "tiny").to(self.device, dtype).eval()
        self.photo, self.dtype = photo, dtype
        self.run = self._score
        name = "RALI ViT-L/14-336" if size != "tiny" else "RALI tiny ViT"
        return self._describe(
            name,
            precision,
            "random",
            time.perf_counter() - start,
            "the folded scorer in torch, all photos of a batch in one call",
            {},
        )

    def _describe(
        self,
        name: str,
        precision: str,
        weights: str,
        load_s: float,
        note: str,
        figures: dict[str, Any],
    ) -> dict[str, Any]:
        parameters = sum(p.numel() for p in self.model.parameters())
        size = sum(p.numel() * p.element_size() for p in self.model.parameters())
        gpu = self.device.type == "cuda"
        properties = torch.cuda.get_device_properties(self.device) if gpu else None
        return {
            "model": {
                "name": name,
                "hash": "",
                "bundle": "",
                "format": "torch",
                "precision": precision,
                "size_bytes": size,
                "weights": weights,
            },
            "load_s": load_s,
            "note": note,
            "torch": torch.__version__,
            "gpu": properties.name if properties else "",
            "gpu_memory": properties.total_memory if properties else 0,
            "figures": {**figures, "parameters": parameters},
        }

    def reset(self) -> None:
        """Start the GPU's peak memory anew (a process's own peak cannot be reset)."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)

    def time(self, batch: int) -> float:
        """Seconds of one call over `batch` photos, from the files to the answers."""
        start = time.perf_counter()
        with torch.inference_mode():
            self.run(batch)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter() - start

    def memory(self) -> dict[str, Any]:
        """Peak and current memory: the GPU's where there is one, else the process's."""
        from ralikit.bench.device import memory
        from ralikit.config import to_mapping

        if self.device.type != "cuda":
            return to_mapping(memory())
        return {
            "peak_bytes": torch.cuda.max_memory_reserved(self.device),
            "steady_bytes": torch.cuda.memory_reserved(self.device),
            "private_bytes": torch.cuda.max_memory_allocated(self.device),
            "how": "torch.cuda: reserved at most, reserved, allocated at most",
        }

    def _generate(self, batch: int) -> None:
        pixels, grid = _image_inputs(self.photo)
        ids = torch.tensor([self.prompt] * batch, device=self.device)
        answer = self.model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            mm_token_type_ids=(ids == _IMAGE).long(),
            pixel_values=pixels.to(self.device, torch.bfloat16).repeat(batch, 1),
            image_grid_thw=grid.to(self.device).repeat(batch, 1),
            do_sample=False,
            min_new_tokens=self.tokens,
            max_new_tokens=self.tokens,
            use_cache=True,
        )
        if answer.shape[1] - ids.shape[1] != self.tokens:
            raise RuntimeError(f"{answer.shape[1] - ids.shape[1]} tokens came, not {self.tokens}")

    def _score(self, batch: int) -> None:
        from ralikit.photo.views import Preprocess, load_views

        size = self.model.size
        preprocess = Preprocess(size=size, shortest_edge=size)
        views = torch.from_numpy(load_views(Path(self.photo), preprocess))
        scores = self.model(views.repeat(batch, 1, 1, 1).to(self.device), self.dtype)
        if scores.shape != (batch,):
            raise RuntimeError(f"{tuple(scores.shape)} scores came, not {batch}")


class _Rali(nn.Module):
    """Normalisation, CLIP's image tower, PCA and basis, a score for every photo of a batch."""

    def __init__(self, tower: nn.Module, head: nn.Module, size: int) -> None:
        super().__init__()
        self.tower, self.head, self.size = tower, head, size

    def forward(self, image: Tensor, dtype: torch.dtype) -> Tensor:
        """Score (B, S, S, 3) uint8 -> (B,)."""
        pixels = (image.permute(0, 3, 1, 2).float() / 127.5 - 1).to(dtype)
        scores: Tensor = self.head(self.tower(pixels))
        return scores


def random_rali(*, tiny: bool) -> nn.Module:
    """RALI ViT-L/14-336 from its configuration (M = 512, K = 250), or a tiny one."""
    import numpy as np

    from ralikit.model.folded import BasisHead
    from ralikit.model.head import Head
    from ralikit.model.towers import build_tower

    shapes = {
        "size": (336, 28),
        "patch": (14, 14),
        "width": (1024, 32),
        "depth": (24, 2),
        "heads": (16, 2),
        "hidden": (4096, 64),
        "dim": (768, 16),
    }
    config = {name: small if tiny else large for name, (large, small) in shapes.items()}
    tower = build_tower("clip", config)
    rng = np.random.default_rng(0)
    dim = tower.dim
    width = min(512, dim)
    head = Head(
        pca_mean=np.zeros(dim),
        pca_components=rng.normal(size=(width, dim)) / dim**0.5,
        pca_scale=np.ones(dim),
        centroids=rng.normal(size=(250, width)),
        scores=np.linspace(1, 5, 250),
        temperature=0.07,
        normalize=False,
    )
    return _Rali(tower, BasisHead(head), config["size"])


def random_teacher(size: str, device: torch.device) -> Any:
    """Qwen2.5-VL from its configuration, bf16, built on the device, filled with random values."""
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    text = dict(_TEXT[size])
    rope = {
        "type": "default",
        "rope_type": "default",
        "rope_theta": 1e6,
        "mrope_section": text.pop("mrope"),
    }
    tie = text.pop("tie_word_embeddings")
    vision = (
        {
            "depth": 32,
            "hidden_size": 1280,
            "intermediate_size": 3420,
            "num_heads": 16,
            "fullatt_block_indexes": [7, 15, 23, 31],
        }
        if size != "tiny"
        else {
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_heads": 2,
            "fullatt_block_indexes": [1],
        }
    )
    config = Qwen2_5_VLConfig(
        text_config=text
        | {"rms_norm_eps": 1e-6, "rope_parameters": rope, "max_position_embeddings": 128000},
        vision_config=vision
        | {
            "out_hidden_size": text["hidden_size"],
            "patch_size": 14,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "window_size": 112,
        },
        image_token_id=_IMAGE,
        video_token_id=151656,
        vision_start_token_id=_VISION_START,
        vision_end_token_id=_VISION_END,
        tie_word_embeddings=tie,
    )
    config._attn_implementation = "sdpa"
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        from transformers.initialization import no_init_weights

        with torch.device(device), no_init_weights():
            model = Qwen2_5_VLForConditionalGeneration(config)
    finally:
        torch.set_default_dtype(before)
    _fill(model)
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = 0
    return model


@torch.no_grad()
def _fill(model: nn.Module) -> None:
    """Small random values everywhere: one block tiled, since eight billion draws take minutes."""
    block = torch.randn(1 << 20) * 0.02
    for parameter in model.parameters():
        flat = parameter.view(-1)
        tile = block.to(parameter.device, parameter.dtype)
        if parameter.dim() == 1:
            flat.fill_(1.0)  # norms' gains; biases of one cost what biases of zero do
            continue
        for start in range(0, flat.numel(), tile.numel()):
            part = flat[start : start + tile.numel()]
            part.copy_(tile[: part.numel()])


def _read_teacher(folder: str) -> Any:
    from transformers import Qwen2_5_VLForConditionalGeneration

    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(
        folder, dtype=torch.bfloat16, attn_implementation="sdpa", local_files_only=True
    )
    model.generation_config.eos_token_id = None
    return model


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _image_inputs(photo: str) -> tuple[Tensor, Tensor]:
    """Patches and their grid as Qwen2.5-VL's image processor makes them."""
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import (
        Qwen2VLImageProcessorPil,
    )

    from ralikit.photo.decode import decode

    rgb = decode(Path(photo)).pixels
    made = Qwen2VLImageProcessorPil()(images=[rgb], return_tensors="pt")
    return made["pixel_values"], made["image_grid_thw"]


def _prompt_ids(vision_tokens: int) -> list[int]:
    """Token ids in the shape of the published prompt: text, the photo's tokens, text."""
    from ralikit.train.teacher.prompts import PROMPTS, SYSTEM

    def count(text: str) -> int:
        return len(re.findall(r"\w+|[^\w\s]", text))

    # three template tokens open and two close each of the conversation's turns
    head = [_WORD] * (count(SYSTEM) + 5 + 3)
    tail = [_WORD] * (count(PROMPTS["score"].user) + 2 + 3)
    return [*head, _VISION_START, *([_IMAGE] * vision_tokens), _VISION_END, *tail]


if __name__ == "__main__":
    worker = TeacherWorker()
    serve(
        {
            "load_teacher": worker.load_teacher,
            "load_rali": worker.load_rali,
            "reset": worker.reset,
            "time": worker.time,
            "memory": worker.memory,
        }
    )
