"""Training: the loop, its schedule, the machine it runs on."""
