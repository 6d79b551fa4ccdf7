"""What scripts around the package share: words on the way, a core simulated twice, an exit status.
"""

import sys
import tempfile
import time
from dataclasses import dataclass

from .errors import RnnhwError

GAPS = STALLS = 0.3        # probability of a cycle without input, and of one that takes no output


@dataclass(frozen=True)
class Progress:
    """Says sentences on stderr, each with the seconds since ``begun`` and with what it is about."""

    begun: float
    about: str = ""

    def __call__(self, sentence):
        about = f"{self.about}: " if self.about else ""
        print(f"{time.time() - self.begun:4.0f} s  {about}{sentence}", file=sys.stderr, flush=True)


def twice(design, x, lengths, folder, say):
    """``(core, rough, smooth)``: the Verilog, simulated with gaps and stalls and without."""
    core = design.write_verilog(folder / "verilog")
    with tempfile.TemporaryDirectory() as files:
        options = {"verilog": core, "out": files, "progress": say}
        rough = design.simulate(x, lengths, gaps=GAPS, stalls=STALLS, seed=1, **options)
        return core, rough, design.simulate(x, lengths, **options)


def status(wrong):
    """1 if there are any sentences, which go to stderr, else 0."""
    wrong = list(wrong)
    for sentence in wrong:
        print(sentence, file=sys.stderr)
    return int(bool(wrong))


def run(name, main):
    """Exit with what ``main`` gives; with 2 and one sentence where it raises an RnnhwError."""
    try:
        sys.exit(main())
    except RnnhwError as error:
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(2)
