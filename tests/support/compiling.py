"""How tests compile programs that run only for moments; no tests here."""

import jax

from cak_jax.training import devices

# The options of training, but without optimisation, like `create_state_quickly`: a
# training program compiles in a third of the time. Tests that compare bits with another
# program, or numbers with the published ones, compile as training does.
QUICKLY = devices.compiler_options(jax.default_backend()) | {
    "xla_backend_optimization_level": 0
}
