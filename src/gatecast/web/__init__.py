"""`gatecast serve`: a page and an HTTP API over the runs, and jobs in worker processes."""
