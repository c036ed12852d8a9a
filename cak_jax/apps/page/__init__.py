"""The page of `cak app`."""
