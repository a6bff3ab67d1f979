//! The route file of a module: `routes.toml`.
