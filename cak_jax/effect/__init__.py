"""The eleven learned numbers as data: file, text code, gate, morph, shipped ones."""
