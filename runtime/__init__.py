"""What runs: agents, models, the substrate, workers, clients, the command line."""
