"""All audits by name: the values of `game.audit`."""

from cak_jax.model.audits import absolute, heard, relative
from cak_jax.model.audits.protocol import Audit

# An effect that does not name its audit is judged by this one, because it can be met
# on every clip.
DEFAULT_AUDIT = "relative"
AUDITS: dict[str, Audit] = {
    "absolute": absolute,
    "relative": relative,
    "heard": heard,
}
