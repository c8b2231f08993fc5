"""TSU003: chance that is not the run's own."""

from __future__ import annotations

from typing import Final

from ._forbidden import calls, each
from ._rule import Rule

_NAMES: Final = (
    "random randint randrange randbytes getrandbits choice choices shuffle sample uniform triangular gauss "
    "normalvariate lognormvariate expovariate betavariate gammavariate paretovariate weibullvariate "
    "vonmisesvariate binomialvariate"
)
_OWN: Final = "workflow.random().{}(...)"

_CALLS: Final = {
    **{name: _OWN.format(name.partition(".")[2]) for name in each("random", _NAMES, "")},
    "random.seed": "workflow.random(), which is seeded by the run",
    "random.Random": "workflow.random(), or a fixed seed",
    "numpy.random.*": "workflow.random(), or numpy.random.default_rng(workflow.random_seed())",
    "builtins.hash": "a checksum, as of hashlib or zlib: hash() of a str differs in every process",
}

# These take their seed as an argument.
_SEEDED: Final = tuple(
    f"numpy.random.{name}" for name in ("default_rng", "RandomState", "Generator", "SeedSequence", "PCG64", "MT19937")
)

RULE: Final = Rule(
    code="TSU003",
    name="random",
    why=(
        "Another number is drawn on replay. `workflow.random()` is a `random.Random` that gives the run the same "
        "numbers every time. A generator made with a seed (`random.Random(7)`) is fine too."
    ),
    bad="delay = random.uniform(1, 5)",
    good="delay = workflow.random().uniform(1, 5)",
    check=calls(
        _CALLS,
        "gives something else on replay",
        fine_with={
            "random.Random": 1,
            **dict.fromkeys(_SEEDED, 1),
        },
    ),
    calls=_CALLS,
)
