"""Contract of resizing: bytes to bytes, each pixel a mean over the stretch that it stands for."""

from .registry import Shape, each, kernel, need, rank

BITS = 22  # binary places of a weight: 255 * 2^22 leaves a signed word of 32 bits its sign


@kernel("y", dtypes={"y": "uint8", "images": "uint8", "boxes": "float32"})
def resize_images(images: Shape, boxes: Shape, height: int, width: int) -> tuple[Shape, ...]:
    """y[n,i,j] = sum_s v[j,s] sum_r u[i,r] images[n,r,s], over the pixels r, s of a box.

    Row i stands for a stretch of the box around the place c = top + (i + 1/2) d, where d is
    (bottom - top) / height; a pixel weighs the less the further its centre r + 1/2 is from there::

        u[i,r] = max(0, 1 - |r + 1/2 - c| / max(d, 1)) / (their sum over r)

    v[j,s] likewise. So a larger image is interpolated between its pixels (bilinear), and a smaller
    one is their mean, without the false patterns that left-out pixels make (antialiasing). Weights
    are rounded to 2^-22, the sums over r to whole levels, and those over s again.

    ``boxes`` (N, 4) are (top, bottom, left, right) in pixels, from 0 to H and to W, with fractions;
    pixels beside a box weigh in at its edges. It is what Pillow's ``resize`` gives, columns before
    rows, with ``Resampling.BILINEAR`` and ``box``.
    """
    rank("images", images, "NHWC")
    N, H, W, C = images
    each((N, 4), boxes=boxes)
    need(min(H, W) > 0, f"images must have pixels to resize, they are {images}")
    need(min(height, width) > 0, f"images are resized to 1 x 1 or more, not {height} x {width}")
    return ((N, height, width, C),)


def taps(length: int, out: int) -> int:
    """Return how many of ``length`` pixels may make up one of ``out``, at most."""
    return 2 * -(-max(length, out) // out) + 1
