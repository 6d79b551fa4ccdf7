"""What the tests may assume of simulators: Verilator always, Icarus where it is installed."""

import pytest

from rnnhw.tools import find

needs_icarus = pytest.mark.skipif(find("iverilog") is None, reason="Icarus is not installed")
