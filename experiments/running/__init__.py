"""How an experiment is run: options, cells, workers, what is stored, the report."""
