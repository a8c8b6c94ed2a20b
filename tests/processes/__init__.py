"""What only a real process shows: signals, closed pipes, what an import loads, scripts of the workflows."""
