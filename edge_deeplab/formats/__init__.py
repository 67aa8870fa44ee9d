"""What lies in files, read with bounds and without torch: operator graphs, stored integers, manifests."""
