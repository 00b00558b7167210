"""The processor of Qwen2.5-VL without its video half, which drags torchvision in.

Photos go through `Qwen2VLImageProcessorPil`, so that they have the same pixels with and without a
GPU; folders are saved in the published layout, so that vLLM and others read them as their own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transformers import ProcessorMixin

IMAGE_TOKEN = "<|image_pad|>"  # noqa: S105 (a token of the vocabulary)
VIDEO_TOKEN = "<|video_pad|>"  # noqa: S105


class QwenVlProcessor(ProcessorMixin):  # type: ignore[misc]
    """Image processor, tokenizer and chat template of a Qwen2.5-VL."""

    return_mm_token_type_ids = True

    def __init__(
        self, image_processor: Any = None, tokenizer: Any = None, chat_template: str | None = None
    ) -> None:
        """Put the parts together; the tokenizer must know the image and the video token."""
        self.image_token = IMAGE_TOKEN
        self.video_token = VIDEO_TOKEN
        self.image_token_id = tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)
        self.video_token_id = tokenizer.convert_tokens_to_ids(VIDEO_TOKEN)
        super().__init__(image_processor, tokenizer, chat_template=chat_template)

    @property
    def model_input_names(self) -> list[str]:
        """What the model takes from here."""
        return [*super().model_input_names, "mm_token_type_ids"]

    def replace_image_token(self, image_inputs: Any, image_idx: int, **_: Any) -> str:
        """As many image tokens as the photo has merged patches."""
        merged = self.image_processor.merge_size**2
        return self.image_token * int(image_inputs["image_grid_thw"][image_idx].prod() // merged)

    def save_pretrained(self, save_directory: Any, **_: Any) -> list[str]:
        """Write preprocessor_config.json, the tokenizer and chat_template.jinja into a folder."""
        folder = Path(save_directory)
        folder.mkdir(parents=True, exist_ok=True)
        self.image_processor.save_pretrained(folder)
        config = folder / "preprocessor_config.json"
        settings = json.loads(config.read_text(encoding="utf-8"))
        settings["image_processor_type"] = "Qwen2VLImageProcessor"  # the published name
        config.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        self.tokenizer.save_pretrained(folder)
        if self.chat_template is not None:
            (folder / "chat_template.jinja").write_text(self.chat_template, encoding="utf-8")
        return [str(config)]
