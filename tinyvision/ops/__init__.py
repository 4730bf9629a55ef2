"""Ops: each a forward/backward pair on arrays, one file per family."""
