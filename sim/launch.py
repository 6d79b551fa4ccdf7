"""Builds a core for a simulator and runs :mod:`sim.core_tests`: ``python -m sim.launch PLAN``.

A process of its own, since cocotb's runner takes tools and flags from the environment. The plan is
that of ``core_tests`` with ``simulator``, ``core`` (the Verilog file), ``build_dir``, ``build``
(false: an earlier build stands), ``waves`` (a file or null).
"""

import json
import shutil
import sys
from pathlib import Path

from cocotb_tools.check_results import get_results
from cocotb_tools.runner import get_runner

TOP = "rnnhw_core"
# The ports alone are visible to the testbench; with all signals so, as the runner asks, a netlist
# takes ten times as long to build.
BUILD_ARGS = {"verilator": ["-Wno-fatal", "--no-public-flat-rw", "--public-depth", "1"],
              "icarus": []}
WAVES = {"verilator": "dump.vcd", "icarus": f"{TOP}.fst"}


def launch(path):
    """Run the plan at ``path``; return whether all the tests passed."""
    plan = json.loads(Path(path).read_text(encoding="utf-8"))
    simulator, build_dir = plan["simulator"], Path(plan["build_dir"])
    waves = plan["waves"] is not None
    runner = get_runner(simulator)
    if plan["build"]:
        try:
            runner.build(sources=[plan["core"]], hdl_toplevel=TOP, build_dir=build_dir,
                         always=True, build_args=BUILD_ARGS[simulator],
                         timescale=("1ns", "1ns"), waves=waves)
        except RuntimeError:      # the tool has said what is wrong
            return False
    results = runner.test(test_module="sim.core_tests", hdl_toplevel=TOP,
                          hdl_toplevel_lang="verilog", build_dir=build_dir,
                          plusargs=[f"+plan={path}"], waves=waves)
    if waves:
        shutil.move(build_dir / WAVES[simulator], plan["waves"])
    _, failed = get_results(results)
    return not failed


if __name__ == "__main__":
    sys.exit(0 if launch(sys.argv[1]) else 1)
