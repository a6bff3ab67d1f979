//! Accounts, sessions and tenants, and the store behind them.
