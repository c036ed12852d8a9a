"""All audits by name: the values of `game.audit`."""

from cak_jax.model.audits import absolute, relative
from cak_jax.model.audits.protocol import Audit

AUDITS: dict[str, Audit] = {"absolute": absolute, "relative": relative}
