"""Contracts of augmentation: batches of bytes changed at random, on their way to the network.

What is random has been drawn before: a kernel is given it as arrays, one row for each image.
Places in an image are whole numbers (pixels, or 65,536ths of one), so that every implementation
looks at the very same pixels; only colours and what the network gets are floats. What is done to
bytes and leaves bytes stands in :mod:`.retouch`, and comes before. What comes out in bfloat16 is
what would in float32, rounded once: colours are float32 all the way, ``levels`` look up roundings.
"""

from .registry import Shape, each, kernel, need, rank

ONE = 1 << 16  # what stands for 1 in ``matrices``, ``strengths`` and ``amounts``
OUTSIDE = -1  # in place of a row or column: no pixel lies there

_WHOLE = {
    "images": "uint8",
    "fill": "uint8",
    **dict.fromkeys(("rows", "columns", "holes", "matrices", "partners", "boxes"), "int64"),
}


@kernel("x", dtypes=_WHOLE, bfloat16=True)
def crop_images(
    images: Shape, rows: Shape, columns: Shape, fill: Shape, holes: Shape, levels: Shape
) -> tuple[Shape, ...]:
    """x[n,i,j,c] = levels[c, images[n, rows[n,i], columns[n,j], c]], and 0 in the holes.

    Flips, shifts and crops pick whole pixels: which ones, ``rows`` (N, OH) and ``columns`` (N, OW)
    say. Where one of them is OUTSIDE, the byte is fill[c]. ``levels`` (C, 256) has the input that
    each byte becomes. ``holes`` (N, B, 4) are B rectangles (top, bottom, left, right) of each
    image, bottom and right beside it. Source of the holes: DeVries and Taylor 2017.
    """
    N, C = _images("images", images)
    rank("rows", rows, ["N", "OH"])
    rank("columns", columns, ["N", "OW"])
    _for_each(N, rows=rows, columns=columns)
    each((C,), fill=fill)
    each((C, 256), levels=levels)
    _holes(N, holes)
    return ((N, rows[1], columns[1], C),)


@kernel("x", dtypes=_WHOLE, bfloat16=True)
def warp_images(
    images: Shape,
    matrices: Shape,
    rows: Shape,
    columns: Shape,
    fill: Shape,
    holes: Shape,
    colours: Shape,
    scale: Shape,
    bias: Shape,
) -> tuple[Shape, ...]:
    """x[n,i,j] = clip(A[n] p + t[n], 0, 255) * scale + bias, and 0 in the holes.

    p (C,) is the colour at the place m = matrices[n] shows in units of 1/ONE pixel, ::

        (m[0] i + m[1] j + m[2], m[3] i + m[4] j + m[5])

    between the centres of four pixels, weighted by how near they are, in 256ths (bilinear). Row r
    of the image is row rows[r + H] of its pixels: so ``rows`` (3H,), and ``columns`` (3W,), say
    what lies beyond its edges, and further on the last of them repeats. OUTSIDE is the colour
    ``fill``. ``colours`` (N, C, C+1) holds A beside t.
    """
    N, C = _images("images", images)
    _, H, W, _ = images
    each((N, 6), matrices=matrices)
    each((3 * H,), rows=rows)
    each((3 * W,), columns=columns)
    each((N, C, C + 1), colours=colours)
    each((C,), fill=fill, scale=scale, bias=bias)
    _holes(N, holes)
    return (images,)


@kernel("y", dtypes=_WHOLE, bfloat16=True)
def mix_images(pure: Shape, partners: Shape, shares: Shape, boxes: Shape) -> tuple[Shape, ...]:
    """y[n] = shares[n] pure[n] + (1 - shares[n]) pure[partners[n]], the partner alone in a box.

    ``boxes`` (N, 4) are (top, bottom, left, right). Sources: mixup, Zhang et al. 2018; CutMix, Yun
    et al. 2019, which is a box and a share of 1 around it.
    """
    N, _ = _images("pure", pure)
    each((N,), partners=partners, shares=shares)
    each((N, 4), boxes=boxes)
    return (pure,)


def _images(name: str, images: Shape) -> tuple[int, int]:
    rank(name, images, "NHWC")
    return images[0], images[3]


def _for_each(N: int, **arrays: Shape) -> None:
    for name, array in arrays.items():
        need(array[0] == N, f"{name} must have a row for each of {N} images, it is {array}")


def _holes(N: int, holes: Shape) -> None:
    need(len(holes) == 3 and holes[::2] == (N, 4), f"holes must be ({N}, B, 4), they are {holes}")
