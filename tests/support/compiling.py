"""How tests compile what runs but for moments; no tests here."""

import jax

from cak_jax.training import devices

# As training has it, but without optimisation, as `create_state_quickly`: a training
# program compiles in a third of the time. Not where bits are compared with those of
# another program, or numbers with the published.
QUICKLY = devices.compiler_options(jax.default_backend()) | {
    "xla_backend_optimization_level": 0
}
