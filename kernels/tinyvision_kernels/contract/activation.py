"""Contracts of the activations.

Most work element by element: y has the shape of x. Each backward takes what its formula needs, x
or y.
"""

from .registry import Shape, kernel, rank, same


@kernel("y", bfloat16=True)
def relu(x: Shape) -> tuple[Shape, ...]:
    """y = max(x, 0); NaN stays NaN."""
    return (x,)


@kernel("dx", bfloat16=True)
def relu_dx(dy: Shape, y: Shape) -> tuple[Shape, ...]:
    """dx = dy where y > 0, else 0: the sign of the output is all that backward needs."""
    return same(dy, y)


@kernel("y", bfloat16=True)
def leaky_relu(x: Shape, slope: float) -> tuple[Shape, ...]:
    """y = x where x > 0, else slope * x."""
    return (x,)


@kernel("dx", bfloat16=True)
def leaky_relu_dx(dy: Shape, x: Shape, slope: float) -> tuple[Shape, ...]:
    """dx = dy where x > 0, else slope * dy."""
    return same(dy, x)


@kernel("y", bfloat16=True)
def gelu(x: Shape) -> tuple[Shape, ...]:
    """y = x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3))). Source: Hendrycks and Gimpel 2016."""
    return (x,)


@kernel("dx", bfloat16=True)
def gelu_dx(dy: Shape, x: Shape) -> tuple[Shape, ...]:
    """With t = tanh(u(x)): dx = dy * ((1 + t)/2 + x/2 * (1 - t^2) * u'(x))."""
    return same(dy, x)


@kernel("y", bfloat16=True)
def silu(x: Shape) -> tuple[Shape, ...]:
    """y = x * sigmoid(x). Source: Elfwing, Uchibe, Doya 2017."""
    return (x,)


@kernel("dx", bfloat16=True)
def silu_dx(dy: Shape, x: Shape) -> tuple[Shape, ...]:
    """With s = sigmoid(x): dx = dy * s * (1 + x * (1 - s))."""
    return same(dy, x)


@kernel("y", bfloat16=True)
def sigmoid(x: Shape) -> tuple[Shape, ...]:
    """y = 1 / (1 + exp(-x)), computed so that exp never overflows."""
    return (x,)


@kernel("dx", bfloat16=True)
def sigmoid_dx(dy: Shape, y: Shape) -> tuple[Shape, ...]:
    """dx = dy * y * (1 - y)."""
    return same(dy, y)


@kernel("y", bfloat16=True)
def tanh(x: Shape) -> tuple[Shape, ...]:
    """y = tanh(x)."""
    return (x,)


@kernel("dx", bfloat16=True)
def tanh_dx(dy: Shape, y: Shape) -> tuple[Shape, ...]:
    """dx = dy * (1 - y^2)."""
    return same(dy, y)


@kernel("y")
def softmax(x: Shape) -> tuple[Shape, ...]:
    """y[m,k] = exp(x[m,k] - max_m) / sum_k of the same, each row of x (M, K) on its own."""
    rank("x", x, "MK")
    return (x,)


@kernel("dx")
def softmax_dx(dy: Shape, y: Shape) -> tuple[Shape, ...]:
    """dx[m,k] = y[m,k] * (dy[m,k] - sum_j dy[m,j] * y[m,j])."""
    rank("y", y, "MK")
    return same(dy, y)


@kernel("y")
def log_softmax(x: Shape) -> tuple[Shape, ...]:
    """y[m,k] = x[m,k] - max_m - log(sum_k exp(x[m,k] - max_m))."""
    rank("x", x, "MK")
    return (x,)


@kernel("dx")
def log_softmax_dx(dy: Shape, y: Shape) -> tuple[Shape, ...]:
    """dx[m,k] = dy[m,k] - exp(y[m,k]) * sum_j dy[m,j]."""
    rank("y", y, "MK")
    return same(dy, y)
