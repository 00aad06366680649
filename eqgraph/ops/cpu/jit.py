"""Compiles kernels with LLVM and keeps them on disk, one file per kernel, dtype and machine."""

import hashlib
import os
import sys
import time
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from threading import Lock

from eqgraph.replacing import replacing

_DIGEST = hashlib.sha256
_lock = Lock()


def _new_lock() -> None:
    global _lock
    _lock = Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_lock)  # another thread of the parent may have held the old one


@cache
def _machine():
    """LLVM for this processor: (target machine, features as text, bytes of a vector register)."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    cpu, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=cpu, features=features.flatten(), opt=3, jit=True, reloc="pic", codemodel="jitdefault"
    )
    size = 64 if features.get("avx512f") else 32 if features.get("avx2") else 16
    return machine, f"{machine.triple} {cpu} {features.flatten()}", size


def vector_bytes() -> int:
    """Size of this machine's vector registers."""
    return _machine()[2]


@cache
def _linker():
    import llvmlite.binding as llvm

    return llvm.create_lljit_compiler(), {}  # and the libraries that it made, which must not be freed


@cache
def _generator() -> bytes:
    """Changes whenever the code that writes kernels does, or LLVM."""
    import llvmlite

    digest = _DIGEST(llvmlite.__version__.encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.digest()


def cache_directory() -> Path:
    """Where compiled kernels are kept: EQGRAPH_CACHE_DIR, or eqgraph/kernels in the user's cache directory."""
    chosen = os.environ.get("EQGRAPH_CACHE_DIR")
    return (
        Path(chosen)
        if chosen
        else Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "eqgraph" / "kernels"
    )


def compile_kernel(name: str, key: str, source: Callable[[str], str]) -> int:
    """The address of a compiled function.

    Args:
        name: what it computes, for the line that says that it is being compiled.
        key: all that the source depends on, besides the code that writes it.
        source: writes the LLVM text of a function of the given name; called only if no file has it compiled.
    """
    machine, features, _ = _machine()
    digest = _DIGEST(b"\0".join([_generator(), features.encode(), name.encode(), key.encode()])).hexdigest()
    symbol = f"{name}_{digest[:16]}"
    path = cache_directory() / f"{symbol}.o"
    with _lock:
        code = _read(path)
        if code is None:
            start = time.perf_counter()
            code = _compile(source(symbol), machine)
            _say(f"eqgraph: compiled {name} in {time.perf_counter() - start:.1f} s")
            _write(path, code)
        return _load(symbol, code)


def _say(line: str) -> None:
    """Show progress: on a terminal in one line, which whatever comes next writes over."""
    if sys.stderr.isatty():
        print(f"\033[K{line}", end="\r", file=sys.stderr, flush=True)
    else:
        print(line, file=sys.stderr, flush=True)


def _compile(text: str, machine) -> bytes:
    import llvmlite.binding as llvm

    module = llvm.parse_assembly(text)
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.slp_vectorization = options.loop_vectorization = options.loop_unrolling = False  # vectors are written out
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return machine.emit_object(module)


def _load(symbol: str, code: bytes) -> int:
    import llvmlite.binding as llvm

    linker, libraries = _linker()
    builder = llvm.JITLibraryBuilder().add_object_img(code).add_current_process().export_symbol(symbol)
    libraries[symbol] = builder.link(linker, symbol)
    return libraries[symbol][symbol]


def _read(path: Path) -> bytes | None:
    """The code in a file, None if there is none or it is torn."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, code = content[:32], content[32:]
    return code if _DIGEST(code).digest() == digest else None


def _write(path: Path, code: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_bytes(_DIGEST(code).digest() + code)
    except OSError as error:
        _warn_unwritable(str(path.parent), str(error))


@cache
def _warn_unwritable(directory: str, error: str) -> None:
    warnings.warn(
        f"Expected to keep compiled kernels in {directory}, came: {error}. They work, but every process compiles them anew: set "
        "EQGRAPH_CACHE_DIR to a directory that can be written.",
        RuntimeWarning,
        stacklevel=2,
    )
