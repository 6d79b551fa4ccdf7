"""Small memories, products and logic, and the run that compares their netlist with their RTL."""

import os
import subprocess
from pathlib import Path

import numpy as np
from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from rnnhw.gatelevel import convert as to_netlist
from rnnhw.tools import verilator_environment
from rnnhw.verilog import convert as to_rtl

WARM_UP = 8      # cycles until every register and latch has been written
STIMULUS = 96    # random bits a cycle


class Samples(wiring.Component):
    """Memories, products and logic side by side, driven by random bits.

    A word is never read in the cycle that writes it, except with ``collide``.

    Parameters
    ----------
    memories : dict of name -> (depth, width, kind, registers); kind is "rom", "ram", "held" (a
        read enable), "bytes" (written in parts of 9 bits), "one" (an address for both) or "two"
        (two such)
    products : dict of name -> (shape, shape, registers in front, registers behind)
    sums : dict of name -> (shape, shape, shape); the product of two plus a third, and registers
        of all
    """

    def __init__(self, memories, products, sums=None, logic=True, collide=False):
        self.memories, self.products, self.sums = memories, products, sums or {}
        self.logic, self.collide = logic, collide
        self.widths = {name: width for name, (_, width, _, _) in memories.items()}
        self.widths |= {name: a.width + b.width for name, (a, b, _, _) in products.items()}
        self.widths |= {name: max(a.width + b.width, c.width) + 1
                        for name, (a, b, c) in self.sums.items()}
        self.widths |= {"logic": 40} if logic else {}
        super().__init__({"stimulus": In(STIMULUS), "found": Out(sum(self.widths.values()))})

    def elaborate(self, platform):
        m = Module()
        found = [self._memory(m, name, *of) for name, of in self.memories.items()]
        found += [self._product(m, *of) for of in self.products.values()]
        found += [self._sum(m, *of) for of in self.sums.values()]
        found += [self._logic(m)] if self.logic else []
        m.d.comb += self.found.eq(Cat(found))
        return m

    def _memory(self, m, name, depth, width, kind, registers):
        rng = np.random.default_rng(depth + width)
        init = [int.from_bytes(rng.bytes(8), "little") % 2**width for _ in range(depth)]
        m.submodules[name] = words = memory.Memory(shape=width, depth=depth, init=init)
        read = words.read_port()
        address = self.stimulus[:14]
        m.d.comb += read.addr.eq(address)
        if kind == "held":
            m.d.comb += read.en.eq(self.stimulus[14])
        if kind in ("one", "two"):
            return self._late(m, self._shared(m, words, read, kind), registers)
        if kind != "rom":
            write = words.write_port(granularity=9 if kind == "bytes" else None)
            to = self.stimulus[15:29]
            apart = self.collide or to[:len(write.addr)] != address[:len(write.addr)]
            m.d.comb += [write.addr.eq(to), write.data.eq(self.stimulus[29:65]),
                         write.en.eq(Mux(apart, self.stimulus[65:69], 0))]
        return self._late(m, read.data, registers)

    def _shared(self, m, words, first, kind):
        """Words read through ports whose address also writes, when they do not write."""
        ports = [(first, words.write_port())]
        if kind == "two":
            ports.append((words.read_port(), words.write_port()))
        taken = 0
        for k, (read, write) in enumerate(ports):
            address = self.stimulus[15 * k:15 * k + 14]
            apart = k == 0 or address[:len(read.addr)] != self.stimulus[:len(read.addr)]
            m.d.comb += [read.addr.eq(address), write.addr.eq(address),
                         write.data.eq(self.stimulus[29 + k:65]),
                         write.en.eq(self.stimulus[65 + k] & apart), read.en.eq(~write.en)]
            taken ^= read.data
        return taken

    def _product(self, m, a, b, before, behind):
        left, right = Signal(a), Signal(b)
        m.d.comb += [left.eq(self.stimulus[:18]), right.eq(self.stimulus[18:36])]
        return self._late(m, self._late(m, left, before) * self._late(m, right, before), behind)

    def _sum(self, m, a, b, c):
        left, right, addend = Signal(a), Signal(b), Signal(c)
        m.d.comb += [left.eq(self.stimulus[:18]), right.eq(self.stimulus[18:36]),
                     addend.eq(self.stimulus[36:72])]
        product = self._late(m, self._late(m, left, 1) * self._late(m, right, 1), 1)
        return self._late(m, product + self._late(m, addend, 1), 1)

    def _logic(self, m):
        """A counter with enable and reset, a register that starts at 1, sums and a wide choice."""
        a, b = self.stimulus[:16].as_signed(), self.stimulus[16:32].as_signed()
        count = Signal(12, init=0x5a5)
        with m.If(self.stimulus[33:36] == 0):
            m.d.sync += count.eq(0x123)
        with m.Elif(self.stimulus[32]):
            m.d.sync += count.eq(count + 1)
        small = memory.Memory(shape=4, depth=16, init=range(16))
        m.submodules.small = small
        write, read = small.write_port(), small.read_port(domain="comb")
        m.d.comb += [write.addr.eq(a[:4]), write.data.eq(b[:4]), write.en.eq(self.stimulus[36]),
                     read.addr.eq(b[4:8])]
        chosen = (Cat(a, b, self.stimulus) >> self.stimulus[40:46])[0]
        return Cat(count, a + b, a < b, chosen, read.data, a[:6] & b[:5])[:40]

    @staticmethod
    def _late(m, value, registers):
        for _ in range(registers):
            late = Signal(value.shape(), reset_less=True)
            m.d.sync += late.eq(value)
            value = late
        return value


TESTBENCH = """
module bench(input clk);
  reg rst = 1;
  reg [{stimulus}-1:0] stimulus = 0;
  wire [{found}-1:0] rtl, gates;
  reg [31:0] cycle = 0, random = {seed};
  integer i, wrong = 0;
  rtl r(.clk(clk), .rst(rst), .stimulus(stimulus), .found(rtl));
  gates g(.clk(clk), .rst(rst), .stimulus(stimulus), .found(gates));
  always @(posedge clk) begin
    for (i = 0; i < {stimulus}; i = i + 32) begin
      random = random * 1664525 + 1013904223;
      stimulus[i +: 16] <= random[31:16];
      random = random * 1664525 + 1013904223;
      stimulus[i + 16 +: 16] <= random[31:16];
    end
    if (cycle < {warm_up}) stimulus[14] <= 1;
    rst <= cycle < 2;
    cycle <= cycle + 1;
    if (cycle > 2 * {warm_up} && rtl !== gates) begin
      wrong = wrong + 1;
      if (wrong <= 20) $display("differ %0d %b %b", cycle, rtl, gates);
    end
    if (cycle == {cycles}) begin
      $display("compared %0d cycles, %0d differ", cycle, wrong);
      $finish;
    end
  end
endmodule
"""
CLOCK = """
module timed;
  reg clk = 0;
  bench b(.clk(clk));
  always #5 clk = ~clk;
endmodule
"""


def compare(samples, family, folder, simulator, cycles, seed=1, edit=None):
    """Run the RTL and the netlist of ``samples``, changed by ``edit``, side by side on random bits.

    Returns
    -------
    wrong : sorted names of the samples whose outputs differ in the first faulty cycles
    cells, absorbed : counts of the netlist
    text : str, the netlist's Verilog
    """
    folder = Path(folder)
    text, cells, absorbed = to_netlist(samples, family, name="gates")
    text = edit(text) if edit else text
    (folder / "gates.v").write_text(text)
    again = Samples(samples.memories, samples.products, samples.sums, samples.logic,
                    samples.collide)
    (folder / "rtl.v").write_text(to_rtl(again, name="rtl"))
    (folder / "bench.v").write_text(TESTBENCH.format(
        stimulus=STIMULUS, found=len(samples.found), seed=seed, warm_up=WARM_UP,
        cycles=cycles) + CLOCK)
    sources = ["bench.v", "rtl.v", "gates.v"]
    if simulator == "icarus":
        commands = [["iverilog", "-g2012", "-s", "timed", "-o", "bench.vvp", *sources],
                    ["vvp", "-n", "bench.vvp"]]
        environment = os.environ
    else:
        commands = [["verilator", "--binary", "--timing", "-Wno-fatal", "-Wno-lint",
                     "-Wno-style", "--top-module", "timed", *sources], ["obj_dir/Vtimed"]]
        environment = verilator_environment(folder / "tools")
    for command in commands:
        done = subprocess.run(command, cwd=folder, env=environment, text=True,
                              capture_output=True)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert f"compared {cycles} cycles" in done.stdout, done.stdout[-2000:]
    names = [name for name, width in samples.widths.items() for _ in range(width)]
    wrong = set()
    for line in done.stdout.splitlines():
        if line.startswith("differ "):
            _, _, rtl, gates = line.split()
            wrong |= {name for name, a, b in zip(names, rtl[::-1], gates[::-1]) if a != b}
    assert (", 0 differ" in done.stdout) == (not wrong)
    return sorted(wrong), cells, absorbed, text
