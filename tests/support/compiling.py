"""How tests compile what runs but for moments; no tests here."""

# As `create_state_quickly` does: a training program compiles in a third of the time.
# Not where bits are compared with another program's, or numbers with the published.
QUICKLY = {"xla_backend_optimization_level": 0}
