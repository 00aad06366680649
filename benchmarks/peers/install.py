"""Environments of the programs that eqgraph is compared with: each has its own, made once, with the same PyTorch."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

VERSIONS = {"nequip": "0.19.1", "mace-torch": "0.3.16"}
CPU_INDEX = "https://download.pytorch.org/whl/cpu"


def directory() -> Path:
    """Where the environments are: EQGRAPH_PEERS_DIR, or eqgraph/peers in the user's cache directory."""
    chosen = os.environ.get("EQGRAPH_PEERS_DIR")
    return Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "eqgraph/peers"


def peer_python(name: str) -> Path:
    """The interpreter of a peer's environment, which is made (about 1.5 GB, a few minutes) if it is not there.

    PyTorch comes first and alone, in the very version of this environment (2.13.0+cpu here means 2.13.0+cpu there), and is then
    held by a constraint: pip can neither replace it nor take a build for GPUs instead.

    Args:
        name: a key of VERSIONS.

    Raises:
        RuntimeError: if pip fails; quotes it.
    """
    torch, place = version("torch"), directory() / f"{name}-{VERSIONS[name]}"
    python = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp = place / "installed"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == torch:
        return python
    print(f"Installing {name} {VERSIONS[name]} with PyTorch {torch} in {place}", file=sys.stderr, flush=True)
    shutil.rmtree(place, ignore_errors=True)
    _run([sys.executable, "-m", "venv", str(place)])
    constraint = place / "constraint.txt"
    constraint.write_text(f"torch=={torch}\n", encoding="utf-8")
    pip = [str(python), "-m", "pip", "install", "--quiet", "--constraint", str(constraint)]
    try:
        _run([*pip, "torch"])
    except RuntimeError:
        if not torch.endswith("+cpu"):
            raise
        _run([*pip, "--index-url", CPU_INDEX, "torch"])
    _run([*pip, f"{name}=={VERSIONS[name]}"])
    stamp.write_text(torch, encoding="utf-8")
    return python


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(
            f"Expected `{' '.join(command)}` to succeed, came status {done.returncode}: {done.stderr.strip()[-1000:]} "
            "Look whether pip reaches its index, or leave this program out with --peers."
        )
