"""Contracts of what a camera or a darkroom does to a picture: bytes in, bytes out.

All of it is whole numbers, so that every implementation gives the very same bytes; where one stands
for a share, ONE of :mod:`.augment` is all. What is random has been drawn before, but for the noise:
it is drawn where it is added.
"""

from .registry import Shape, each, kernel, need, rank

TAPS = 1 << 8  # the sum of a blur's weights
KEEP, LOOK_UP, EQUALIZE, STRETCH = range(4)  # kinds of what levels are exchanged for

_WHOLE = {
    **dict.fromkeys(("y", "images", "tables"), "uint8"),
    **dict.fromkeys(("taps", "strengths", "positions", "kinds", "amounts"), "int64"),
}


@kernel("y", dtypes=_WHOLE)
def blur_images(images: Shape, taps: Shape) -> tuple[Shape, ...]:
    """y[i,j] = sum_{d,e} taps[|d|] taps[|e|] images[i+d, j+e] / TAPS^2, rounded, for each image.

    ``taps`` (N, R+1) are the weights at distances 0 .. R, the same downwards as sideways; those of
    -R .. R sum up to TAPS. At the edges the last pixel repeats.
    """
    rank("images", images, "NHWC")
    rank("taps", taps, ["N", "R+1"])
    need(taps[1] > 0, "taps must hold the weight at distance 0 at least")
    each((images[0], taps[1]), taps=taps)
    return (images,)


@kernel("y", dtypes=_WHOLE)
def noise_images(
    images: Shape, strengths: Shape, positions: Shape, seed: int, purpose: int, step: int
) -> tuple[Shape, ...]:
    """y = clip(images + (s - 510) * strengths[n] / ONE, 0, 255), the summand rounded.

    s is the sum of the four bytes of a random word, nearly normal (Irwin-Hall) with the mean 510
    and the variance (256^2 - 1) / 3, and a whole number. Value i of image n has word i % 4 of the
    Philox block with counter (i // 4, positions[n], step, purpose); the seed is its key.
    """
    rank("images", images, "NHWC")
    each((images[0],), strengths=strengths, positions=positions)
    return (images,)


@kernel("y", dtypes=_WHOLE)
def retone_images(images: Shape, kinds: Shape, tables: Shape) -> tuple[Shape, ...]:
    """Exchange levels in T turns: v of channel c in image n becomes t[c, v], turn after turn.

    ``kinds`` (N, T) say what t is, and ``tables`` are (N, T, 256):

    - KEEP: v, so that the image stays as it is;
    - LOOK_UP: tables[n, turn, v];
    - EQUALIZE: 255 D(v) / D(brightest), rounded, where D(v) of the channel's pixels are darker than
      v, so that the levels that are there spread evenly;
    - STRETCH: 255 (v - darkest) / (brightest - darkest), rounded.

    The last two count what the turns before have left; a channel of one level stays as it is.
    """
    rank("images", images, "NHWC")
    rank("kinds", kinds, "NT")
    each((images[0], kinds[1]), kinds=kinds)
    each((*kinds, 256), tables=tables)
    return (images,)


@kernel("y", dtypes=_WHOLE)
def sharpen_images(images: Shape, amounts: Shape) -> tuple[Shape, ...]:
    """y = clip(images + amounts[n] / ONE * (images - smooth), 0, 255), the summand rounded.

    ``smooth`` is a weighted mean of 3 x 3 pixels, 5 parts of the middle and one of each neighbour.
    At the edges the last pixel repeats. An amount of -ONE leaves what is smooth, 0 all as it is.
    """
    rank("images", images, "NHWC")
    each((images[0],), amounts=amounts)
    return (images,)
