"""The model: backbones, architectures, losses, optimizers."""
