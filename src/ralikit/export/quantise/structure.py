"""A tower as a list of operations, and which channels may be rescaled without changing it.

int8 needs to know the order of layers and which tensors share channels; both are read off the
traced tower, so that nothing here knows one architecture by name.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass, field

from torch import fx, nn
from torch.nn import functional as F

from ralikit.errors import ExportError
from ralikit.model.towers.base import Tower

_RELUS = (F.relu, F.relu6)


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        # Subclasses too: a convolution that pads by itself is still one operation.
        return isinstance(m, nn.Conv2d | nn.Linear)


def trace(tower: Tower) -> fx.GraphModule:
    """A tower's operations in order; the modules are the tower's own, not copies.

    Dropout, which is nothing in evaluation mode, is left out.

    Raises:
        ExportError: If the tower's forward depends on values, so that it has no fixed graph.
    """
    try:
        graph = _Tracer().trace(tower)
    except (fx.proxy.TraceError, TypeError, RuntimeError) as error:
        raise ExportError(
            f"a {tower.kind} tower cannot be taken apart into layers, which int8 needs: {error}"
        ) from error
    for node in list(graph.nodes):
        if node.op == "call_function" and node.target is F.dropout and not tower.training:
            node.replace_all_uses_with(node.all_input_nodes[0])
            graph.erase_node(node)
    return fx.GraphModule(tower, graph)


def layer(graph: fx.GraphModule, node: fx.Node) -> nn.Conv2d | nn.Linear | None:
    """The convolution or linear layer a node calls, or None."""
    if node.op != "call_module":
        return None
    module = graph.get_submodule(str(node.target))
    return module if isinstance(module, nn.Conv2d | nn.Linear) else None


def is_relu(node: fx.Node) -> bool:
    """Whether a node is a ReLU or ReLU6."""
    return node.op == "call_function" and node.target in _RELUS


def is_add(node: fx.Node) -> bool:
    """Whether a node adds two activations."""
    return (
        node.op == "call_function"
        and node.target is operator.add
        and all(isinstance(arg, fx.Node) for arg in node.args)
    )


def is_mean(node: fx.Node) -> bool:
    """Whether a node averages over positions."""
    return node.op == "call_method" and node.target == "mean"


def refuse_unknown(graph: fx.GraphModule, kind: str) -> None:
    """Refuse a tower that has more in it than int8 arithmetic is planned for.

    Raises:
        ExportError: Unless it is made of layers with a bias, ReLUs, sums and means.
    """
    for node in graph.graph.nodes:
        module = layer(graph, node)
        known = is_relu(node) or is_add(node) or is_mean(node)
        if node.op in ("placeholder", "output") or known:
            continue
        if module is None or module.bias is None:
            raise ExportError(
                f"int8 is planned for convolutional towers; a {kind} tower has {node.target}, "
                "which it does not know: export it as fp16 or fp32"
            )


@dataclass(eq=False)
class ChannelGroup:
    """Tensors whose channels must be scaled alike, and the layers that can absorb the scale.

    Attributes:
        nodes: The tensors.
        writers: Layers whose output channels these are.
        readers: Layers whose input channels these are.
        ceiling: Largest value a channel can hold (6 behind a ReLU6), or None.
        free: Whether a scale can be absorbed at every end.
    """

    nodes: list[fx.Node] = field(default_factory=list)
    writers: list[nn.Conv2d | nn.Linear] = field(default_factory=list)
    readers: list[nn.Conv2d | nn.Linear] = field(default_factory=list)
    ceiling: float | None = None
    free: bool = True


def channel_groups(graph: fx.GraphModule) -> list[ChannelGroup]:
    """Partition the tower's activations by shared channels, in the order of the graph."""
    leader: dict[fx.Node, fx.Node] = {}

    def find(node: fx.Node) -> fx.Node:
        while leader[node] is not node:
            node = leader[node]
        return node

    for node in graph.graph.nodes:
        leader[node] = node
        if is_relu(node) or is_add(node) or is_mean(node):
            for arg in node.all_input_nodes:
                leader[find(arg)] = node
    groups: dict[fx.Node, ChannelGroup] = {}
    for node in graph.graph.nodes:
        if node.op == "output":
            continue
        group = groups.setdefault(find(node), ChannelGroup())
        group.nodes.append(node)
        module = layer(graph, node)
        if module is not None:
            group.writers.append(module)
        elif not (is_relu(node) or is_add(node) or is_mean(node)):
            group.free = False
        if is_relu(node) and node.target is F.relu6:
            group.ceiling = 6.0
        for user in node.users:
            reader = layer(graph, user)
            if reader is not None:
                group.readers.append(reader)
            elif find(user) is not find(node):
                group.free = False
    return list(groups.values())
