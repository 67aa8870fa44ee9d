"""Other people's networks: what each project calls its tensors, and which spec its own configuration means."""
