"""Search: which values of a spec's settings score best."""
