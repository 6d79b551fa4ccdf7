"""Registers of the netlist moved into the block RAMs and multipliers that have their own.

Yosys maps memories and products of ECP5 and Gowin without their registers, so that a block RAM or
a multiplier is slow whatever stands behind it. A plain register that alone takes a primitive's
output, or that drives a multiplier's operand, is one that the primitive has: it is turned on
there and leaves the fabric; behind a block RAM it may have an enable. Function and latency stay.
"""

from collections import defaultdict
from dataclasses import dataclass, field

ZERO, ONE = "0", "1"
TIES = {"GND": ZERO, "VCC": ONE}     # cells that drive a constant, where a family has such


@dataclass(frozen=True)
class Port:
    """A data port of a primitive, and what turns its register on.

    Parameters
    ----------
    pins : tuple of (connection, index)
    clock : connection of the clock; shared by all registers of the primitive that name it
    off : value of its parameters without a register
    parameters : their values with one
    controls : constants at its control pins
    needs : constants that must be there already, as an enable that the register shares
    enables : control pins to which an enable of the registers may go instead of their constants
    """

    pins: tuple
    clock: str
    off: str
    parameters: dict
    controls: dict = field(default_factory=dict)
    needs: dict = field(default_factory=dict)
    enables: tuple = ()


def _ecp5_ram(cell):
    # With words of 36 bits written, those read leave through both halves, on port B's clock.
    wide = int(cell["parameters"].get("DATA_WIDTH_A", "10010"), 2) == 36
    return [Port(tuple((f"DO{half}{i}", 0) for half in halves for i in range(18)), f"CLK{p}",
                 "NOREG", {f"REGMODE_{half}": "OUTREG" for half in halves},
                 {f"OCE{half}": ONE for half in halves}, {f"CE{p}": ONE, f"RST{p}": ZERO},
                 tuple(f"OCE{half}" for half in halves))
            for halves, p in ([("AB", "B")] if wide else [("A", "A"), ("B", "B")])
            if cell["parameters"].get(f"CLK{p}MUX", f"CLK{p}") == f"CLK{p}"]


def _ecp5_multiplier(cell):
    control = {"CE0": ONE, "RST0": ZERO}
    inputs = [Port(tuple((f"{p}{i}", 0) for i in range(18)), "CLK0",
                   "NONE", {f"REG_INPUT{p}_CLK": "CLK0"}, control) for p in "AB"]
    output = Port(tuple((f"P{i}", 0) for i in range(36)), "CLK0",
                  "NONE", {"REG_OUTPUT_CLK": "CLK0"}, control)
    return inputs, output


def _gowin_ram(cell):
    pins = tuple(("DO", i) for i in range(len(cell["connections"]["DO"])))
    b = "B" if "CLKB" in cell["connections"] else ""
    return [Port(pins, f"CLK{b}", ZERO, {"READ_MODE": ONE}, {"OCE": ONE},
                 {f"CE{b}": ONE, f"RESET{b}": ZERO}, ("OCE",))]


def _gowin_shared_ram(cell):
    return [Port(tuple((f"DO{p}", i) for i in range(len(cell["connections"][f"DO{p}"]))),
                 f"CLK{p}", ZERO, {f"READ_MODE{k}": ONE}, {f"OCE{p}": ONE},
                 {f"CE{p}": ONE, f"RESET{p}": ZERO}, (f"OCE{p}",)) for k, p in enumerate("AB")]


def _gowin_multiplier(cell):
    control = {"CE": ONE, "RESET": ZERO}

    def port(name, register):
        pins = tuple((name, i) for i in range(len(cell["connections"][name])))
        return Port(pins, "CLK", ZERO, {register: ONE}, control)

    return [port("A", "AREG"), port("B", "BREG")], port("DOUT", "OUT_REG")


@dataclass(frozen=True)
class Primitives:
    """Cells of a family: its plain register, block RAMs and multipliers.

    ``register`` gives the type, the data connection, parameters and connections (those that are
    there at all) that make it a register without enable and reset that starts at 0; ``enabled``
    what differs where it has an enable, and the enable's connection.
    """

    register: tuple
    rams: dict
    multipliers: dict
    enabled: tuple | None = None


FAMILIES = {
    "ecp5": Primitives(
        register=("TRELLIS_FF", "DI", {"CEMUX": "1", "CLKMUX": "CLK", "LSRMUX": "LSR",
                                       "REGSET": "RESET"}, {"LSR": ZERO}),
        rams={"DP16KD": _ecp5_ram}, multipliers={"MULT18X18D": _ecp5_multiplier},
        enabled=("TRELLIS_FF", {"CEMUX": "CE"}, "CE")),
    "gowin": Primitives(
        register=("DFF", "D", {}, {}),
        rams=dict.fromkeys(("SDPB", "SDPX9B", "SP", "SPX9"), _gowin_ram)
        | dict.fromkeys(("DPB", "DPX9B"), _gowin_shared_ram),
        multipliers=dict.fromkeys(("MULT9X9", "MULT18X18"), _gowin_multiplier),
        enabled=("DFFE", {}, "CE")),
}


class Netlist:
    """Drivers and sinks of the nets of a flat module in Yosys' JSON, kept while cells change.

    Parameters
    ----------
    module : dict, changed in place
    register, enabled : as in :class:`Primitives`
    """

    def __init__(self, module, register, enabled):
        self.cells = module["cells"]
        self.type, self.data, self.parameters, self.constants = register
        self.enabled = enabled
        self.driver, self.sinks, self.tied = {}, defaultdict(list), {}
        for name, cell in self.cells.items():
            if cell["type"] in TIES:
                self.tied |= {bit: TIES[cell["type"]] for bits in cell["connections"].values()
                              for bit in bits}
            for port, bits in cell["connections"].items():
                for i, bit in enumerate(bits):
                    if cell["port_directions"][port] == "output":
                        self.driver[bit] = name
                    else:
                        self.sinks[bit].append((name, port, i))
        for name, port in module["ports"].items():
            if port["direction"] != "input":
                for i, bit in enumerate(port["bits"]):
                    self.sinks[bit].append((None, name, i))

    def bit(self, name, port, i=0):
        """The net or constant at a pin, or None where it is left open."""
        bits = self.cells[name]["connections"].get(port, ())
        return self.tied.get(bits[i], bits[i]) if i < len(bits) else None

    def _is(self, name, kind, parameters):
        cell = self.cells.get(name)
        return (cell is not None and cell["type"] == kind
                and all(cell["parameters"].get(key, value).strip() == value
                        for key, value in parameters.items())
                and all(self.bit(name, port) in (None, value)
                        for port, value in self.constants.items()))

    def plain(self, name):
        """Whether cell ``name`` is a register without enable and reset that starts at 0."""
        return self._is(name, self.type, self.parameters)

    def enable(self, name):
        """Enable of a register that is plain but for it; ONE for a plain one, else None."""
        if self.plain(name):
            return ONE
        kind, changed, pin = self.enabled
        return self.bit(name, pin) if self._is(name, kind, self.parameters | changed) else None

    def behind(self, bits):
        """Registers, plain but for an enable, that alone take ``bits``, None for one unused; None
        if others do."""
        found = []
        for bit in bits:
            sinks = self.sinks.get(bit, [])
            if not sinks:
                found.append(None)
            elif (len(sinks) == 1 and sinks[0][1] == self.data
                  and self.enable(sinks[0][0]) is not None):
                found.append(sinks[0][0])
            else:
                return None
        return found

    def in_front(self, bits):
        """Plain registers that drive ``bits``, None for a zero; None if others do."""
        found = [None if bit in (ZERO, "x") else self.driver.get(bit) for bit in bits]
        fine = all(bit in (ZERO, "x") or self.plain(name) for bit, name in zip(bits, found))
        return found if fine else None

    def clock(self, registers):
        """The one clock of ``registers``; None without any, or with several clocks."""
        clocks = {self.bit(name, "CLK") for name in registers if name is not None}
        return clocks.pop() if len(clocks) == 1 else None

    def connect(self, name, port, i, bit):
        """Move an input pin to another net."""
        bits = self.cells[name]["connections"][port]
        self.sinks[bits[i]].remove((name, port, i))
        self.sinks[bit].append((name, port, i))
        bits[i] = bit

    def remove(self, name):
        """Take a register out."""
        cell = self.cells.pop(name)
        for port, bits in cell["connections"].items():
            for i, bit in enumerate(bits):
                if cell["port_directions"][port] == "input":
                    self.sinks[bit].remove((name, port, i))

    def free(self, name, port):
        """Whether the register of ``port`` is off and its control pins are for it to set."""
        cell = self.cells[name]
        return (all(cell["parameters"].get(key, port.off).strip() == port.off
                    for key in port.parameters)
                and all(self.bit(name, pin) in (None, ZERO, ONE) for pin in port.controls)
                and all(self.bit(name, pin) in (None, value)
                        for pin, value in port.needs.items()))

    def turn_on(self, name, port, clock, enable=ONE):
        """Parameters, clock, enable and controls of a register of the primitive ``name``."""
        cell = self.cells[name]
        cell["parameters"] |= port.parameters
        controls = port.controls | dict.fromkeys(port.enables, enable)
        for pin, bit in ({port.clock: clock} | controls).items():
            if pin in cell["connections"]:
                self.connect(name, pin, 0, bit)
            else:
                cell["connections"][pin] = [bit]
                cell["port_directions"][pin] = "input"
                self.sinks[bit].append((name, pin, 0))


def absorb(module, family):
    """Move plain registers of a netlist into its block RAMs and multipliers, in place.

    Outputs take their registers first, then each multiplier whose operands both come from
    registers takes those; one that others use as well stays for them. All registers of a
    primitive have one clock. Families whose registers Yosys moves itself are left as they are.

    Parameters
    ----------
    module : dict
        The flat top module of Yosys' JSON.
    family : str

    Returns
    -------
    dict
        How many registers were turned on: ``multiplier_outputs``, ``multiplier_inputs`` (pairs),
        ``ram_outputs``.
    """
    done = {"multiplier_outputs": 0, "multiplier_inputs": 0, "ram_outputs": 0}
    if family not in FAMILIES:
        return done
    primitives = FAMILIES[family]
    net = Netlist(module, primitives.register, primitives.enabled)
    multipliers = {name: primitives.multipliers[cell["type"]](cell)
                   for name, cell in net.cells.items() if cell["type"] in primitives.multipliers}
    rams = {name: primitives.rams[cell["type"]](cell)
            for name, cell in net.cells.items() if cell["type"] in primitives.rams}
    for name, (_, output) in multipliers.items():
        done["multiplier_outputs"] += _output(net, name, output, None)
    for name, (inputs, output) in multipliers.items():
        done["multiplier_inputs"] += _inputs(net, name, inputs, output)
    for name, ports in rams.items():
        for port in ports:
            done["ram_outputs"] += _output(net, name, port, net.bit(name, port.clock))
    return done


def _output(net, name, port, clock):
    """Take in the registers behind a port; they must be on ``clock`` if that is given."""
    if not net.free(name, port):
        return 0
    registers = net.behind([net.bit(name, *pin) for pin in port.pins])
    found = net.clock(registers or ())
    enables = {net.enable(register) for register in registers or () if register is not None}
    if found is None or clock not in (None, found) or len(enables) > 1:
        return 0
    enable = enables.pop()
    if enable != ONE and not port.enables:
        return 0
    for (pin, i), register in zip(port.pins, registers):
        if register is not None:
            bit = net.bit(register, "Q")
            net.remove(register)
            net.cells[name]["connections"][pin][i] = bit
            net.driver[bit] = name
    net.turn_on(name, port, found, enable)
    return 1


def _inputs(net, name, ports, output):
    """Take in the registers in front of both operands of a multiplier."""
    if not all(net.free(name, port) for port in ports):
        return 0
    fronts = [net.in_front([net.bit(name, *pin) for pin in port.pins]) for port in ports]
    if any(front is None or net.clock(front) is None for front in fronts):
        return 0
    clock = net.clock([register for front in fronts for register in front])
    on = output.parameters.items() <= net.cells[name]["parameters"].items()
    if clock is None or on and net.bit(name, output.clock) != clock:
        return 0
    for port, front in zip(ports, fronts):
        for pin, register in zip(port.pins, front):
            if register is not None:
                net.connect(name, *pin, net.bit(register, net.data))
        net.turn_on(name, port, clock)
    for register in dict.fromkeys(r for front in fronts for r in front if r is not None):
        if not net.sinks[net.bit(register, "Q")]:
            net.remove(register)
    return 1
