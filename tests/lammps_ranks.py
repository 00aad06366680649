"""Run by test_lammps.py under mpirun: structures of a pickle file through LAMMPS, results as pickles per process."""

import pickle
import sys
from pathlib import Path

from lammps_runs import ELEMENTS, create, single_point

from eqgraph.calculators.lammps import attach, open_lammps


def main(folder: Path) -> None:
    structures = pickle.loads((folder / "structures.pickle").read_bytes())
    results = {}
    for name, (atoms, boundary) in structures.items():
        lmp = open_lammps(["-screen", "none", "-log", "none"])
        results[name] = single_point(lmp, atoms, folder / "model.eqg", boundary)
        rank = lmp.extract_setting("world_rank")
        lmp.close()

    lmp = open_lammps(["-screen", "none", "-log", "none"])
    create(lmp, structures["crystal"][0])
    attach(lmp, folder / "model.eqg", ELEMENTS)
    lmp.commands_string("pair_style none\ncomm_modify cutoff 1")
    try:
        lmp.command("run 0")
    except ValueError as error:
        results["few ghosts"] = str(error)
    lmp.close()
    (folder / f"rank{rank}.pickle").write_bytes(pickle.dumps(results))
    lmp.finalize()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
