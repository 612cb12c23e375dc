"""Questions asked of simulated paths: levels touched, value at risk, drawdowns, portfolios, scenarios."""
