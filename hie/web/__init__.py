"""What the API and the console share: guarded routes, bounded bodies, error answers, the services behind them."""
