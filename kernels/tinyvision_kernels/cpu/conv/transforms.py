"""The transforms of Winograd's convolution F(4x4, 3x3), on vectors of channels.

In one dimension, four outputs of a filter of three taps need 12 products computed plainly. Seen as
polynomials, the six inputs and the filter can be evaluated at six points (0, 1, -1, 2, -2 and
infinity), multiplied point by point, 6 products, and interpolated back ::

    y = A^T [(G w) * (B^T d)]           d: 6 inputs, w: 3 weights, y: 4 outputs

        | 4  0 -5  0 1 0 |              |  1/4    0     0  |
        | 0 -4 -4  1 1 0 |              | -1/6  -1/6  -1/6 |            | 1 1  1 1  1 0 |
    B^T=| 0  4 -4 -1 1 0 |          G = | -1/6   1/6  -1/6 |      A^T = | 0 1 -1 2 -2 0 |
        | 0 -2 -1  2 1 0 |              | 1/24  1/12   1/6 |            | 0 1  1 4  4 0 |
        | 0  2 -1 -2 1 0 |              | 1/24 -1/12   1/6 |            | 0 1 -1 8 -8 1 |
        | 0  4  0 -5 0 1 |              |   0     0     1  |

In two dimensions each transform is applied to columns and then to rows: 36 products instead of 144
for a 4 x 4 patch of outputs, and the sum over input channels is taken between the transforms. The
functions below are these matrices, row by row, with what rows share computed once; they take
vectors (:mod:`..vector`) or numbers. Each gradient needs their transposes and nothing else: since y
is linear in d and in w, dd = B [(G w) * (A dy)] and dw = G^T [(B^T d) * (A dy)].

Source: Winograd, "Arithmetic Complexity of Computations", 1980; Lavin and Gray, "Fast Algorithms
for Convolutional Neural Networks", 2016, https://arxiv.org/abs/1509.09308.
"""

from typing import Any

from ..jit import Array, formula_jit, inline_jit
from ..rows import at_least
from ..vector import lane_count, load, store, zeros

POINTS = 6  # at which the polynomials are evaluated, in each dimension
PATCH = 4  # outputs, in each dimension
PLANES = POINTS * POINTS

# ----------------------------------------------------------------------------
# One dimension
# ----------------------------------------------------------------------------


@formula_jit
def input_points(d0: Any, d1: Any, d2: Any, d3: Any, d4: Any, d5: Any) -> Any:
    """B^T d."""
    even, odd = d4 - 4 * d2, d3 - 4 * d1
    even_2, odd_2 = d4 - d2, 2 * (d3 - d1)
    return (
        4 * d0 - 5 * d2 + d4,
        even + odd,
        even - odd,
        even_2 + odd_2,
        even_2 - odd_2,
        4 * d1 - 5 * d3 + d5,
    )


@formula_jit
def weight_points(w0: Any, w1: Any, w2: Any) -> Any:
    """G w."""
    even, odd = (w0 + w2) * (-1 / 6), w1 * (1 / 6)
    even_2, odd_2 = w0 * (1 / 24) + w2 * (1 / 6), w1 * (1 / 12)
    return w0 * (1 / 4), even - odd, even + odd, even_2 + odd_2, even_2 - odd_2, w2


@formula_jit
def outputs(m0: Any, m1: Any, m2: Any, m3: Any, m4: Any, m5: Any) -> Any:
    """A^T m."""
    sum_1, difference_1 = m1 + m2, m1 - m2
    sum_2, difference_2 = m3 + m4, m3 - m4
    return (
        m0 + sum_1 + sum_2,
        difference_1 + 2 * difference_2,
        sum_1 + 4 * sum_2,
        difference_1 + 8 * difference_2 + m5,
    )


@formula_jit
def output_points(y0: Any, y1: Any, y2: Any, y3: Any) -> Any:
    """A dy: the transpose of :func:`outputs`."""
    even, odd = y0 + y2, y1 + y3
    even_2, odd_2 = y0 + 4 * y2, 2 * y1 + 8 * y3
    return y0, even + odd, even - odd, even_2 + odd_2, even_2 - odd_2, y3


@formula_jit
def weights(u0: Any, u1: Any, u2: Any, u3: Any, u4: Any, u5: Any) -> Any:
    """G^T du: the transpose of :func:`weight_points`."""
    sum_1, sum_2 = u1 + u2, u3 + u4
    return (
        u0 * (1 / 4) - sum_1 * (1 / 6) + sum_2 * (1 / 24),
        (u2 - u1) * (1 / 6) + (u3 - u4) * (1 / 12),
        (sum_2 - sum_1) * (1 / 6) + u5,
    )


# ----------------------------------------------------------------------------
# Two dimensions: six or fewer columns, then as many rows
# ----------------------------------------------------------------------------


@formula_jit
def _load_6(a: Array, at: int, step: int) -> Any:
    return (
        load(a, at),
        load(a, at + step),
        load(a, at + 2 * step),
        load(a, at + 3 * step),
        load(a, at + 4 * step),
        load(a, at + 5 * step),
    )


@formula_jit
def _store_6(a: Array, at: int, step: int, values: Any) -> None:
    store(a, at, values[0])
    store(a, at + step, values[1])
    store(a, at + 2 * step, values[2])
    store(a, at + 3 * step, values[3])
    store(a, at + 4 * step, values[4])
    store(a, at + 5 * step, values[5])


@inline_jit
def transform_input(
    v: Array, v_at: int, plane: int, x: Array, x_at: int, row: int, pixel: int, channels: int
) -> None:
    """v (6, 6, channels) = B^T x B for a patch x (6, 6, channels).

    ``plane`` leads from one of the 36 points to the next, ``row`` and ``pixel`` to the patch's next
    row and column. Channels are taken by whole vectors.
    """
    for c in range(0, channels, lane_count(v)):
        of, to = x_at + c, v_at + c
        p = input_points(*_load_6(x, of, row))
        q = input_points(*_load_6(x, of + pixel, row))
        r = input_points(*_load_6(x, of + 2 * pixel, row))
        s = input_points(*_load_6(x, of + 3 * pixel, row))
        t = input_points(*_load_6(x, of + 4 * pixel, row))
        u = input_points(*_load_6(x, of + 5 * pixel, row))
        # what was a row of pixels becomes a row of points
        _store_6(v, to, plane, input_points(p[0], q[0], r[0], s[0], t[0], u[0]))
        _store_6(v, to + 6 * plane, plane, input_points(p[1], q[1], r[1], s[1], t[1], u[1]))
        _store_6(v, to + 12 * plane, plane, input_points(p[2], q[2], r[2], s[2], t[2], u[2]))
        _store_6(v, to + 18 * plane, plane, input_points(p[3], q[3], r[3], s[3], t[3], u[3]))
        _store_6(v, to + 24 * plane, plane, input_points(p[4], q[4], r[4], s[4], t[4], u[4]))
        _store_6(v, to + 30 * plane, plane, input_points(p[5], q[5], r[5], s[5], t[5], u[5]))


@formula_jit
def _load_6_within(a: Array, at: int, step: int, first: int, last: int) -> Any:
    """Load six vectors, of which those outside of first .. last-1 are zeros."""
    return (
        load(a, at) if first <= 0 < last else zeros(a),
        load(a, at + step) if first <= 1 < last else zeros(a),
        load(a, at + 2 * step) if first <= 2 < last else zeros(a),
        load(a, at + 3 * step) if first <= 3 < last else zeros(a),
        load(a, at + 4 * step) if first <= 4 < last else zeros(a),
        load(a, at + 5 * step) if first <= 5 < last else zeros(a),
    )


@inline_jit
def transform_input_at_edge(
    v: Array, v_at: int, plane: int, x: Array, x_at: int, row: int, pixel: int, channels: int,
    place: tuple[int, int], size: tuple[int, int],
) -> None:  # fmt: skip
    """As :func:`transform_input`, for a patch at ``place`` of an image that ends within it.

    Pixels outside of the image of ``size`` are zeros, and are not read.
    """
    top, bottom = -place[0], size[0] - place[0]  # rows top .. bottom-1 of the patch are there
    left, right = -place[1], size[1] - place[1]
    for c in range(0, channels, lane_count(v)):
        of, to = x_at + c, v_at + c
        p = input_points(*_load_6_within(x, of, row, top, bottom if left <= 0 < right else top))
        q = input_points(
            *_load_6_within(x, of + pixel, row, top, bottom if left <= 1 < right else top)
        )
        r = input_points(
            *_load_6_within(x, of + 2 * pixel, row, top, bottom if left <= 2 < right else top)
        )
        s = input_points(
            *_load_6_within(x, of + 3 * pixel, row, top, bottom if left <= 3 < right else top)
        )
        t = input_points(
            *_load_6_within(x, of + 4 * pixel, row, top, bottom if left <= 4 < right else top)
        )
        u = input_points(
            *_load_6_within(x, of + 5 * pixel, row, top, bottom if left <= 5 < right else top)
        )
        _store_6(v, to, plane, input_points(p[0], q[0], r[0], s[0], t[0], u[0]))
        _store_6(v, to + 6 * plane, plane, input_points(p[1], q[1], r[1], s[1], t[1], u[1]))
        _store_6(v, to + 12 * plane, plane, input_points(p[2], q[2], r[2], s[2], t[2], u[2]))
        _store_6(v, to + 18 * plane, plane, input_points(p[3], q[3], r[3], s[3], t[3], u[3]))
        _store_6(v, to + 24 * plane, plane, input_points(p[4], q[4], r[4], s[4], t[4], u[4]))
        _store_6(v, to + 30 * plane, plane, input_points(p[5], q[5], r[5], s[5], t[5], u[5]))


@inline_jit
def transform_weights(u: Array, u_at: int, plane: int, w: Array, w_at: int, tap: int) -> None:
    """u (6, 6) = G w G^T for one vector of filters w (3, 3), whose taps are ``tap`` apart."""
    p = weight_points(load(w, w_at), load(w, w_at + 3 * tap), load(w, w_at + 6 * tap))
    q = weight_points(load(w, w_at + tap), load(w, w_at + 4 * tap), load(w, w_at + 7 * tap))
    r = weight_points(load(w, w_at + 2 * tap), load(w, w_at + 5 * tap), load(w, w_at + 8 * tap))
    _store_6(u, u_at, plane, weight_points(p[0], q[0], r[0]))
    _store_6(u, u_at + 6 * plane, plane, weight_points(p[1], q[1], r[1]))
    _store_6(u, u_at + 12 * plane, plane, weight_points(p[2], q[2], r[2]))
    _store_6(u, u_at + 18 * plane, plane, weight_points(p[3], q[3], r[3]))
    _store_6(u, u_at + 24 * plane, plane, weight_points(p[4], q[4], r[4]))
    _store_6(u, u_at + 30 * plane, plane, weight_points(p[5], q[5], r[5]))


@formula_jit
def _store_4(y: Array, at: int, step: int, bias: Any, low: float, values: Any) -> None:
    store(y, at, at_least(low, values[0] + bias))
    store(y, at + step, at_least(low, values[1] + bias))
    store(y, at + 2 * step, at_least(low, values[2] + bias))
    store(y, at + 3 * step, at_least(low, values[3] + bias))


@inline_jit
def transform_output(
    y: Array, y_at: int, row: int, pixel: int,
    m: Array, m_at: int, plane: int, bias: Array, low: float, channels: int,
) -> None:  # fmt: skip
    """y (4, 4, channels) = max(A^T m A + bias, low) for m (6, 6, channels).

    The steps are those of transform_input.
    """
    for c in range(0, channels, lane_count(m)):
        of, to = m_at + c, y_at + c
        p = outputs(*_load_6(m, of, 6 * plane))
        q = outputs(*_load_6(m, of + plane, 6 * plane))
        r = outputs(*_load_6(m, of + 2 * plane, 6 * plane))
        s = outputs(*_load_6(m, of + 3 * plane, 6 * plane))
        t = outputs(*_load_6(m, of + 4 * plane, 6 * plane))
        u = outputs(*_load_6(m, of + 5 * plane, 6 * plane))
        b = load(bias, c)
        _store_4(y, to, pixel, b, low, outputs(p[0], q[0], r[0], s[0], t[0], u[0]))
        _store_4(y, to + row, pixel, b, low, outputs(p[1], q[1], r[1], s[1], t[1], u[1]))
        _store_4(y, to + 2 * row, pixel, b, low, outputs(p[2], q[2], r[2], s[2], t[2], u[2]))
        _store_4(y, to + 3 * row, pixel, b, low, outputs(p[3], q[3], r[3], s[3], t[3], u[3]))


@inline_jit
def transform_output_gradient(
    m: Array, m_at: int, plane: int, y: Array, y_at: int, row: int, pixel: int, channels: int
) -> None:
    """m (6, 6, channels) = A dy A^T for a patch dy (4, 4, channels); see transform_input."""
    for c in range(0, channels, lane_count(m)):
        of, to = y_at + c, m_at + c
        p = output_points(*_load_4(y, of, row))
        q = output_points(*_load_4(y, of + pixel, row))
        r = output_points(*_load_4(y, of + 2 * pixel, row))
        s = output_points(*_load_4(y, of + 3 * pixel, row))
        _store_6(m, to, plane, output_points(p[0], q[0], r[0], s[0]))
        _store_6(m, to + 6 * plane, plane, output_points(p[1], q[1], r[1], s[1]))
        _store_6(m, to + 12 * plane, plane, output_points(p[2], q[2], r[2], s[2]))
        _store_6(m, to + 18 * plane, plane, output_points(p[3], q[3], r[3], s[3]))
        _store_6(m, to + 24 * plane, plane, output_points(p[4], q[4], r[4], s[4]))
        _store_6(m, to + 30 * plane, plane, output_points(p[5], q[5], r[5], s[5]))


@formula_jit
def _load_4(a: Array, at: int, step: int) -> Any:
    return load(a, at), load(a, at + step), load(a, at + 2 * step), load(a, at + 3 * step)


@formula_jit
def _sum_6(u: Array, at: int, step: int, slices: int, slice_step: int) -> Any:
    """Load six vectors, each the sum of as many slices, in their order."""
    total = _load_6(u, at, step)
    for i in range(1, slices):
        more = _load_6(u, at + i * slice_step, step)
        total = (
            total[0] + more[0],
            total[1] + more[1],
            total[2] + more[2],
            total[3] + more[3],
            total[4] + more[4],
            total[5] + more[5],
        )
    return total


@inline_jit
def transform_weight_gradient(
    w: Array, w_at: int, tap: int,
    u: Array, u_at: int, plane: int, slices: int, slice_step: int,
) -> None:  # fmt: skip
    """dw (3, 3) = G^T du G for one vector of filters, du (6, 6) the sum of all slices."""
    p = weights(*_sum_6(u, u_at, 6 * plane, slices, slice_step))
    q = weights(*_sum_6(u, u_at + plane, 6 * plane, slices, slice_step))
    r = weights(*_sum_6(u, u_at + 2 * plane, 6 * plane, slices, slice_step))
    s = weights(*_sum_6(u, u_at + 3 * plane, 6 * plane, slices, slice_step))
    t = weights(*_sum_6(u, u_at + 4 * plane, 6 * plane, slices, slice_step))
    v = weights(*_sum_6(u, u_at + 5 * plane, 6 * plane, slices, slice_step))
    _store_3(w, w_at, tap, weights(p[0], q[0], r[0], s[0], t[0], v[0]))
    _store_3(w, w_at + 3 * tap, tap, weights(p[1], q[1], r[1], s[1], t[1], v[1]))
    _store_3(w, w_at + 6 * tap, tap, weights(p[2], q[2], r[2], s[2], t[2], v[2]))


@formula_jit
def _store_3(w: Array, at: int, step: int, values: Any) -> None:
    store(w, at, values[0])
    store(w, at + step, values[1])
    store(w, at + 2 * step, values[2])
