"""`gatecast serve`: a page and an HTTP API over the runs, jobs in worker processes."""
