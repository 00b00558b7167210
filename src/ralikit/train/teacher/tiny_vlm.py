"""A Qwen2.5-VL of a few hundred thousand random parameters, to try a recipe in seconds on a CPU.

It has the real architecture (window attention, merged patches, multimodal rope) and a byte-level
tokenizer of its own; what it says is noise until it is trained.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ralikit.extras import require
from ralikit.photo.degrade import CLASSES, SEVERITIES
from ralikit.train.teacher.prompts import PROMPTS

__all__ = ["CHAT_TEMPLATE", "make_tiny_vlm"]

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""Qwen's turn layout, in our words; no system prompt is put in where there is none."""

_SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)


def make_tiny_vlm(folder: Path, *, seed: int = 0, hidden: int = 32, layers: int = 2) -> Path:
    """Write a tiny random Qwen2.5-VL with tokenizer and processor settings, in float32.

    Args:
        folder: Made new; loadable by `ralikit.train.teacher.vlm`.
        seed: Of the weights.
        hidden: Width of the language model, a multiple of 32.
        layers: Its depth.

    Returns:
        The folder.
    """
    require("transformers", extra="teacher", job="Making a tiny model")
    import torch
    from transformers import (
        Qwen2_5_VLConfig,
        Qwen2_5_VLForConditionalGeneration,
        Qwen2VLImageProcessorPil,
    )

    from ralikit.train.teacher.qwen_processor import QwenVlProcessor

    tokenizer = _tokenizer()
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in _SPECIAL}
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": hidden,
            "intermediate_size": 2 * hidden,
            "num_hidden_layers": layers,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "max_position_embeddings": 2048,
            "rms_norm_eps": 1e-6,
            # Time, height and width share half a head's width, as 16:24:24 of 64 do in the 7B.
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 1e6,
                "mrope_section": [hidden // 16, hidden // 32 * 3, hidden // 32 * 3],
            },
            "bos_token_id": ids["<|endoftext|>"],
            "eos_token_id": ids["<|im_end|>"],
            "pad_token_id": ids["<|endoftext|>"],
        },
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_heads": 2,
            "out_hidden_size": hidden,
            "window_size": 56,
            "fullatt_block_indexes": [1],
        },
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=False,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen2_5_VLForConditionalGeneration(config)
    model.generation_config.eos_token_id = [ids["<|im_end|>"], ids["<|endoftext|>"]]
    model.generation_config.pad_token_id = ids["<|endoftext|>"]
    model.save_pretrained(folder)
    images = Qwen2VLImageProcessorPil(min_pixels=56 * 56, max_pixels=112 * 112)
    QwenVlProcessor(images, tokenizer, chat_template=CHAT_TEMPLATE).save_pretrained(folder)
    return folder


def _tokenizer() -> Any:
    """A byte-level BPE learnt from the prompts and the answers they ask for."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    # Tokens may span words: prompts and tags become shorter, which keeps tiny runs quick.
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1024,
        special_tokens=list(_SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        max_token_length=12,
        show_progress=False,
    )
    answers = [
        f'<think>{word} {kind}.</think><answer>{{"rating": {score}}}</answer>'
        for word in SEVERITIES
        for kind in CLASSES
        for score in ("1.25", "2.50", "3.75")
    ]
    prompts = [text for p in PROMPTS.values() for text in (p.user, p.system) if text]
    core.train_from_iterator(prompts * 8 + answers, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        eos_token="<|im_end|>",  # noqa: S106
        pad_token="<|endoftext|>",  # noqa: S106
        additional_special_tokens=list(_SPECIAL[1:2] + _SPECIAL[3:]),
        chat_template=CHAT_TEMPLATE,
        padding_side="left",
    )


if __name__ == "__main__":
    import sys

    if len(sys.argv) != 2:
        sys.exit("usage: python -m ralikit.train.teacher.tiny_vlm FOLDER")
    print(make_tiny_vlm(Path(sys.argv[1])))
