"""A model at a glance: what each layer returns, holds and costs for one image."""

from collections import defaultdict
from dataclasses import dataclass

from tinyvision_kernels.contract import Shape

from .. import tape
from ..ops.op import Op
from ..tensor import Tensor
from .layer import Layer, held
from .place import current_path, watching

WIDTH = 100  # columns a table may fill


@dataclass(frozen=True)
class Row:
    """One run of a layer.

    Attributes
    ----------
    path : str
        Dotted name of the layer.
    type : str
        Its class.
    output_shape : tuple of int
        Without the batch axis.
    parameters : int
        Trained numbers; 0 where the layer has run before and counted already.
    flops : int
        Floating-point operations for one image; a multiply-add counts as two.
    bytes : int
        Size of the output for one image.
    """

    path: str
    type: str
    output_shape: Shape
    parameters: int
    flops: int
    bytes: int


@dataclass(frozen=True)
class Summary:
    """What :func:`summarize` found; ``str()`` gives a table.

    Attributes
    ----------
    rows : tuple of Row
        In the order the layers ran; containers appear where they compute something themselves.
    input_shape : tuple of int
        Without the batch axis.
    parameter_bytes : int
        Size of all parameters.
    """

    rows: tuple[Row, ...]
    input_shape: Shape
    parameter_bytes: int

    @property
    def total_parameters(self) -> int:
        """All trained numbers."""
        return sum(row.parameters for row in self.rows)

    @property
    def total_flops(self) -> int:
        """Floating-point operations of one image."""
        return sum(row.flops for row in self.rows)

    @property
    def total_bytes(self) -> int:
        """Bytes of all layers' outputs for one image."""
        return sum(row.bytes for row in self.rows)

    def __str__(self) -> str:
        head = ("layer", "type", "output", "parameters", "FLOPs", "bytes")
        cells: list[tuple[str, ...]] = [("input", "", _sizes(self.input_shape), "", "", "")]
        cells += [
            (r.path, r.type, _sizes(r.output_shape), *_figures(r.parameters, r.flops, r.bytes))
            for r in self.rows
        ]
        total = (self.total_parameters, self.total_flops, self.total_bytes)
        foot = ("total", "", "", *_figures(*total))
        widths = [max(len(row[i]) for row in [head, *cells, foot]) for i in range(len(head))]
        # deep paths are shortened from the left: their ends tell the layers apart
        widths[0] = max(12, min(widths[0], WIDTH - sum(widths[1:]) - 2 * (len(widths) - 1)))
        rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
        lines = [_line(head, widths), rule, *(_line(row, widths) for row in cells)]
        lines += [rule, _line(foot, widths)]
        lines.append(
            f"for one image; parameters take {self.parameter_bytes / 2**20:.2f} MiB, "
            "a multiply-add is two FLOPs"
        )
        return "\n".join(lines)


def summarize(model: Layer, input_shape: Shape) -> Summary:
    """Run one image of zeros through the model and note what each layer does.

    Parameters
    ----------
    model : Layer
        Built here if it is not yet.
    input_shape : tuple of int
        Without the batch axis, such as (28, 28, 1).

    Raises
    ------
    ShapeError
        A layer cannot take what reaches it.
    """
    if not model.built:
        model.build(input_shape)
    paths = {id(layer): path for path, layer in model.named_layers()}
    rows: list[Row] = []
    pending: dict[str, int] = defaultdict(int)  # FLOPs of the layer that runs at a path
    counted: set[int] = set()  # parameters

    def note_op(op: Op, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        pending[current_path()] += op.flops(tuple(t.shape for t in inputs), output.shape)

    def note_layer(layer: Layer, output: Tensor) -> None:
        computes = current_path() in pending
        flops = pending.pop(current_path(), 0)
        own = [t for _, t in held(layer, Tensor) if t.requires_grad]
        fresh = [p for p in own if id(p) not in counted]
        counted.update(map(id, fresh))
        if not computes and not fresh and any(layer.children()):
            return
        rows.append(
            Row(
                path=paths.get(id(layer), layer.name),
                type=type(layer).__name__,
                output_shape=output.shape[1:],
                parameters=sum(p.size for p in fresh),
                flops=flops,
                bytes=output.size * output.dtype.itemsize,
            )
        )

    with tape.listening(note_op), watching(note_layer):
        model.probe(input_shape)
    size = sum(p.size * p.dtype.itemsize for p in model.parameters())
    return Summary(tuple(rows), tuple(input_shape), size)


def _sizes(shape: Shape) -> str:
    return " x ".join(map(str, shape)) or "1"


def _figures(*numbers: int) -> tuple[str, ...]:
    return tuple(f"{number:,}" for number in numbers)


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    path = row[0] if len(row[0]) <= widths[0] else "..." + row[0][-(widths[0] - 3) :]
    left = [path.ljust(widths[0]), row[1].ljust(widths[1]), row[2].rjust(widths[2])]
    right = [cell.rjust(width) for cell, width in zip(row[3:], widths[3:], strict=True)]
    return "  ".join(left + right).rstrip()
