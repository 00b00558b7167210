"""Rounding one layer after another, each from the layers rounded before it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from ralikit.progress import counter

Layer = nn.Conv2d | nn.Linear

Round = Callable[[str, Layer, Tensor], Tensor | None]
"""Gives a layer rounded weights in place, from its name and its input, (..., C) or (B, C, H, W);
returns what the layer shall read instead of that input, or None."""

Finish = Callable[[str, Tensor], Tensor]
"""What everything after a layer reads, from the layer's name and its corrected output."""


def is_matrix(module: nn.Module) -> bool:
    """Whether a module is one matrix applied at every position."""
    if isinstance(module, nn.Conv2d):
        return set(module.kernel_size) == {1} and module.groups == 1
    return isinstance(module, nn.Linear)


def round_in_step(
    tower: nn.Module,
    chosen: Mapping[str, Layer],
    pixels: Tensor,
    choose: Round,
    *,
    finish: Finish | None = None,
) -> None:
    """Round layers of a tower in place, in the order they run in, and correct their biases.

    One pass notes what each layer gives on the mean. In a second one every layer is rounded when
    its input arrives, from layers rounded before it; its bias then takes what is left of the mean
    error (Nagel et al. 2019, section 4.2).

    Args:
        tower: Float so far; its layers are changed.
        chosen: The layers to round, by any name.
        pixels: Photos' views, normalised as the tower expects, (B, 3, S, S).
        choose: Rounds one of them.
        finish: Makes of its corrected output what is read behind it; None: nothing.
    """
    wanted: dict[str, Tensor] = {}
    count = counter("rounding layers", 2 * len(chosen))

    def note(name: str) -> Callable[..., None]:
        def hook(module: Layer, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            wanted[name] = channel_means(module, output)
            count()

        return hook

    def rounding(name: str) -> Callable[..., tuple[Tensor, ...] | None]:
        def hook(module: Layer, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
            count()
            read = choose(name, module, inputs[0])
            return None if read is None else (read, *inputs[1:])

        return hook

    def correct(name: str) -> Callable[..., Tensor | None]:
        def hook(module: Layer, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
            if module.bias is not None:
                error = wanted[name] - channel_means(module, output)
                module.bias += error
                output = output + (error.view(-1, 1, 1) if isinstance(module, nn.Conv2d) else error)
            return output if finish is None else finish(name, output)

        return hook

    with torch.inference_mode():
        run_hooked(tower, pixels, [m.register_forward_hook(note(n)) for n, m in chosen.items()])
        handles = [m.register_forward_pre_hook(rounding(n)) for n, m in chosen.items()]
        handles += [m.register_forward_hook(correct(n)) for n, m in chosen.items()]
        run_hooked(tower, pixels, handles)


def run_hooked(tower: nn.Module, pixels: Tensor, handles: Sequence[RemovableHandle]) -> None:
    """Run a tower once, for what its hooks do, and take the hooks away whatever happens."""
    try:
        tower(pixels)
    finally:
        for handle in handles:
            handle.remove()


def channel_means(module: Layer, output: Tensor) -> Tensor:
    """Mean of every output channel over everything else, (C_out,)."""
    channels = output.movedim(1, -1) if isinstance(module, nn.Conv2d) else output
    return channels.flatten(0, -2).mean(0)
