"""Machine code from LLVM's assembly, for what is written by hand."""

from typing import Any

from llvmlite import binding
from numba.core.compiler_lock import global_compiler_lock

_engines: list[Any] = []  # which own the machine code


def addresses(source: str, *names: str) -> list[int]:
    """Compile functions and return their addresses.

    Nothing is optimised: there is little to gain, and that would take most of the time.
    """
    with global_compiler_lock:
        binding.initialize_native_target()
        binding.initialize_native_asmprinter()
        machine = binding.Target.from_default_triple().create_target_machine(opt=0, jit=True)
        engine = binding.create_mcjit_compiler(binding.parse_assembly(source), machine)
        engine.finalize_object()
        _engines.append(engine)
        return [engine.get_function_address(name) for name in names]
