"""Search: the best settings of a spec, found by trials that are runs of their own."""
