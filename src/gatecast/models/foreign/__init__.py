"""Models that gatecast did not make: where they are found, what they may answer, the process in which they run."""
