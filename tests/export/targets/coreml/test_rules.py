"""A package shaped as the neural engine's rules ask scores as the standard one, and says less."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support_vit import tiny_photos, tiny_scorer, vit_bundle, vit_request

from ralikit.errors import UsageError
from ralikit.export.options import ExportOptions
from ralikit.export.order import order
from ralikit.export.targets.coreml import target as coreml
from ralikit.export.targets.coreml.layout import LinearPatches, linear_patches
from ralikit.export.targets.coreml.lint import Lint, lint, lint_block
from ralikit.export.targets.target import Request
from ralikit.model.bundle import Bundle
from ralikit.model.rewrite import rewrite
from ralikit.runtimes.mil import Program, open_package


def request(precision: str, **more: str) -> Request:
    return replace(vit_request("clip", precision), **more)  # type: ignore[arg-type]


def made(path: Path, asked: Request) -> tuple[Lint, dict[str, str], np.ndarray]:
    """The lint, the stored types and an embedding of one package."""
    coreml.convert(asked, path)
    image = tiny_photos("clip", 4)[-1]
    flat = asked.input == coreml.PLANAR
    fed = image.transpose(0, 3, 1, 2) if flat else image
    program = Program.load(open_package(path))
    found = program.run({"image": fed.astype(np.float32)}, round_fp16=True)
    return lint(path), coreml.layers(path), found["embedding"]


def program(*, half: bool, stride: int, last: int) -> Any:
    """A convolution, by hand."""
    import coremltools as ct
    from coremltools.converters.mil.mil import Builder, types

    kind = types.fp16 if half else types.fp32
    number = np.float16 if half else np.float32

    @Builder.program(  # type: ignore[untyped-decorator]
        input_specs=[Builder.TensorSpec(shape=(1, 3, last, last), dtype=kind)],
        opset_version=ct.target.iOS16,
    )
    def made(image: Any) -> Any:
        weight = np.ones((4, 3, stride, stride), number)
        return Builder.conv(x=image, weight=weight, strides=[stride, stride], name="patches")

    return made.functions["main"]


def test_each_rule_by_hand() -> None:
    assert lint_block(program(half=True, stride=2, last=64)).wishes == ()
    assert lint_block(program(half=True, stride=12, last=384)).wishes == ()
    (stride,) = lint_block(program(half=True, stride=14, last=448)).wishes
    assert stride == "patches: a convolution of stride 14"
    (wide,) = lint_block(program(half=False, stride=2, last=64)).wishes
    assert wide.startswith("input image: float32")
    short = lint_block(program(half=True, stride=2, last=32)).wishes
    assert short == ("output patches: its last axis takes 32 bytes, 64 are padded to",)


def graph(kind: Any, made: Any, *shape: Any) -> Any:
    """One operation on a float16 x, by hand."""
    import coremltools as ct
    from coremltools.converters.mil.mil import Builder

    @Builder.program(  # type: ignore[untyped-decorator]
        input_specs=[Builder.TensorSpec(shape=shape, dtype=kind)],
        opset_version=ct.target.iOS18,
    )
    def program(x: Any) -> Any:
        return made(Builder, x)

    return program.functions["main"]


def test_what_keeps_a_program_off_the_engine_by_hand() -> None:
    from coremltools.converters.mil.mil import get_new_symbol, types

    def found(made: Any, *shape: Any) -> tuple[str, ...]:
        return lint_block(graph(types.fp16, made, *shape)).findings

    assert found(lambda mb, x: mb.relu(x=x), 1, 4, 16384) == ()
    (cpu,) = found(lambda mb, x: mb.cumsum(x=x, name="sums"), 1, 4, 64)
    assert cpu == "sums: cumsum runs on the CPU"
    (deep,) = found(lambda mb, x: mb.relu(x=x, name="r"), 1, 2, 2, 2, 64)
    assert deep == "r: rank 5, at most 4 suit"
    (long,) = found(lambda mb, x: mb.relu(x=x, name="r"), 1, 16385)
    assert long == "r: an extent of 16385 is over 16384"
    (open_,) = found(lambda mb, x: mb.relu(x=x, name="r"), get_new_symbol(), 64)
    assert open_ == "r: its shape is known only at run time"


@pytest.mark.parametrize(("blocks", "said"), [(1, 0), (2, 1)])
def test_scales_for_blocks_of_inputs_are_named_by_hand(blocks: int, said: int) -> None:
    from coremltools.converters.mil.mil import types

    def layer(mb: Any, x: Any) -> Any:
        small = types.nptype_from_builtin(types.int4)
        weight = mb.constexpr_blockwise_shift_scale(
            data=np.ones((32, 64), small), scale=np.ones((32, blocks), np.float16)
        )
        return mb.linear(x=x, weight=weight)

    wishes = lint_block(graph(types.fp16, layer, 1, 64)).wishes
    assert len(wishes) == said
    assert all(w.startswith("1 weights have scales for blocks of inputs") for w in wishes)


@pytest.mark.slow
def test_each_rule_is_said_of_the_standard_file_and_kept_by_the_other(tmp_path: Path) -> None:
    plain, types, wanted = made(tmp_path / "a.mlpackage", request("int4"))
    said = "; ".join(plain.wishes)
    assert "input image: float32" in said
    assert "input image: its last axis takes 12 bytes" in said
    assert "a convolution of stride 14" in said
    assert "weights have scales for blocks of inputs" in said
    asked = request("int4-channel", input=coreml.PLANAR, patches="linear")
    asked_for, types_too, found = made(tmp_path / "b.mlpackage", asked)
    assert all(s.startswith("output score") for s in asked_for.wishes)  # one number, 4 bytes
    assert asked_for.findings == plain.findings == ()
    assert types_too == types
    # Both are int4 by GPTQ, with other scales: as near to float as each other.
    exact = _exact()
    assert np.abs(found - exact).mean() < 2.5 * np.abs(wanted - exact).mean()


def _exact() -> np.ndarray:
    from ralikit.export.quantise.equalising import pixels_of

    folded = rewrite(tiny_scorer("clip"))
    with torch.inference_mode():
        found: np.ndarray = folded.tower(pixels_of(folded, tiny_photos("clip", 4)[-1])).numpy()
    return found


@pytest.mark.parametrize("size", [56, 60])  # 60 leaves 4 pixels beyond whole patches
def test_linear_patches_are_the_convolution(size: int) -> None:
    torch.manual_seed(0)
    conv = torch.nn.Conv2d(3, 8, 14, stride=14)
    pixels = torch.randn(2, 3, size, size)
    wanted = conv(pixels).flatten(2)
    torch.testing.assert_close(LinearPatches(conv)(pixels), wanted, atol=1e-5, rtol=1e-5)


def test_the_scorer_itself_is_not_changed() -> None:
    folded = rewrite(tiny_scorer("clip"))
    image = torch.from_numpy(tiny_photos("clip", 4)[-1].copy())
    other = linear_patches(folded)
    torch.testing.assert_close(other(image), folded(image), atol=1e-4, rtol=1e-4)
    assert isinstance(folded.tower.patches, torch.nn.Conv2d)


def ordered(bundle: Bundle, target: str, **more: str) -> Path:
    options = ExportOptions(**more)  # type: ignore[arg-type]
    return order(bundle, target=target, precision="fp16", out=Path(), options=options).file


def test_names_say_what_is_not_standard_and_others_are_refused() -> None:
    bundle = vit_bundle("clip")
    vit = replace(bundle, info=replace(bundle.info, tower=replace(bundle.info.tower, kind="clip")))
    name = ordered(vit, "coreml", input="float16-planar", patches="linear").name
    assert name.endswith("-fp16-float16-planar-linear-patches.mlpackage")
    for target, more, words in (
        ("onnx", {"input": "float16-planar"}, "--input float16-planar is for coreml: onnx"),
        ("onnx", {"patches": "linear"}, "--patches linear is for coreml"),
        ("coreml", {"patches": "linear", "layout": "neural-engine"}, "goes with --layout standard"),
        ("coreml", {"patches": "square"}, "--patches is convolution or linear, not 'square'"),
    ):
        with pytest.raises(UsageError, match=words):
            ordered(vit, target, **more)
    tower = replace(bundle.info.tower, kind="mobilenet_v2")
    with pytest.raises(UsageError, match="is for transformers"):
        ordered(replace(bundle, info=replace(bundle.info, tower=tower)), "coreml", patches="linear")
