"""The kernels in Numba: float32 and float64, on all cores, the same bits for any number of threads.

Each file mirrors one of ``contract/``. A kernel is two functions: a launcher of the contract's name,
plain Python, that turns settings into numbers of one type and arrays into the shape the loops want, and
beside it the compiled body. What follows from "the same bits" is in :mod:`.chunks`.
"""
