"""What each experiment's numbers say: tables, sentences and plots made from its results."""
