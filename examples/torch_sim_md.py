"""Molecular dynamics of many molecules at a time, with a trained potential in torch-sim: does each conserve its energy?

    pip install "eqgraph[torchsim]"
    python examples/torch_sim_md.py runs/demo/model.eqg

Starts from the first frames of a file (default: the ethanol test set), each of them a system of its own, draws velocities at a
temperature, runs velocity Verlet for all of them at once, prints the drift of each total energy and writes where they ended
(torch_sim_md.xyz) beside the model. With `--device cuda` as many systems run on the GPU as fit.
"""

import argparse
import time
from pathlib import Path

import ase.io
import numpy as np
import torch
import torch_sim
from rich.progress import track

from eqgraph.calculators.torch_sim import EqgraphModel

DEFAULT_STRUCTURES = Path(__file__).parents[1] / "datasets" / "ethanol" / "test_300K.xyz"


def run(
    model_file: Path,
    structures: Path,
    num_systems: int,
    temperature: float,
    time_step: float,
    duration: float,
    seed: int,
    device: str = "cpu",
) -> np.ndarray:
    """Run the dynamics; the drift of the total energy of each system over the run [meV/atom]."""
    model = EqgraphModel(model_file, device=device, compute_stress=False)
    start = ase.io.read(structures, f":{num_systems}")
    state = torch_sim.initialize_state(start, model.device, model.dtype)
    units = torch_sim.units.MetalUnits
    step = torch.tensor(time_step * 1e-3 * units.time, device=model.device)  # units.time is a picosecond
    begin, advance = torch_sim.nve(model, dt=step, kT=torch.tensor(temperature * units.temperature), seed=seed)

    state, total = begin(state), []
    num_steps, started = round(1000 * duration / time_step), time.perf_counter()
    for _ in track(range(num_steps), description="molecular dynamics"):
        state = advance(state)
        kinetic = torch_sim.calc_kinetic_energy(momenta=state.momenta, masses=state.masses, system_idx=state.system_idx)
        total.append((state.energy + kinetic) / state.n_atoms_per_system)
    seconds = time.perf_counter() - started

    slopes, _ = np.polyfit(np.arange(num_steps), 1000 * torch.stack(total).cpu().numpy(), 1)
    drift = slopes * num_steps
    ase.io.write(model_file.parent / "torch_sim_md.xyz", state.to_atoms())
    print(
        f"{duration:g} ps of dynamics at {temperature:g} K, {time_step:g} fs steps, {state.n_systems} systems, {state.n_atoms} atoms"
    )
    print(f"energy drift  {drift.min():+.4f} to {drift.max():+.4f} meV/atom (linear fits over the run)")
    print(f"speed         {num_steps * state.n_atoms / seconds:.0f} atoms·steps/s")
    print(f"structures    {model_file.parent / 'torch_sim_md.xyz'}")
    return drift


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="model file (*.eqg)")
    parser.add_argument("--structures", type=Path, default=DEFAULT_STRUCTURES, help="any file that ASE reads")
    parser.add_argument("--systems", type=int, default=8, help="how many of its frames to start from; default 8")
    parser.add_argument("--temperature", type=float, default=300.0, help="of the initial velocities [K]; default 300")
    parser.add_argument("--time-step", type=float, default=0.5, help="[fs]; default 0.5")
    parser.add_argument("--duration", type=float, default=0.1, help="[ps]; default 0.1")
    parser.add_argument("--seed", type=int, default=0, help="of the initial velocities; default 0")
    parser.add_argument("--device", default="cpu", help="cpu or cuda; default cpu")
    args = parser.parse_args()
    run(
        args.model,
        args.structures,
        args.systems,
        args.temperature,
        args.time_step,
        args.duration,
        args.seed,
        args.device,
    )


if __name__ == "__main__":
    main()
