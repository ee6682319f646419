"""What a pod's manifest asks for that a sandbox does otherwise: the catalogue, and what of it a manifest meets."""
