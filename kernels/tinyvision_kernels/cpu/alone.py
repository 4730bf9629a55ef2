"""Parallel loops on one thread, without OpenMP: 0.2 us in place of 0.8.

A kernel hands the body of a loop to Numba's ``numba_parallel_for``, which enters OpenMP for a
single thread, too. Kernels are linked to a function of that name which first looks at the number
of threads: one runs the loop itself.
"""

import functools

from llvmlite import binding
from numba.np.ufunc import parallel

from .assembly import addresses

_NAME = "numba_parallel_for"

_SOURCE = """
define void @parallel_for(
    i8* %body, i8** %arrays, i64* %sizes, i64* %steps, i8* %data, i64 %axes, i64 %count,
    i32 %threads
) {{
  %single = icmp eq i32 %threads, 1
  br i1 %single, label %alone, label %together
alone:
  %loop = bitcast i8* %body to void (i8**, i64*, i64*, i8*)*
  call void %loop(i8** %arrays, i64* %sizes, i64* %steps, i8* %data)
  ret void
together:
  %usual = inttoptr i64 {usual} to void (i8*, i8**, i64*, i64*, i8*, i64, i64, i32)*
  call void %usual(
    i8* %body, i8** %arrays, i64* %sizes, i64* %steps, i8* %data, i64 %axes, i64 %count,
    i32 %threads
  )
  ret void
}}
"""


@functools.cache  # that is: once a process
def enter_alone() -> None:
    """Let kernels that are linked from now on run on one thread without OpenMP.

    In other threading layers a thread has no number outside of their loops, so they are left alone.
    """
    parallel._launch_threads()  # which gives the name to Numba's function
    if parallel.threading_layer() == "omp":
        source = _SOURCE.format(usual=binding.address_of_symbol(_NAME))
        binding.add_symbol(_NAME, *addresses(source, "parallel_for"))
