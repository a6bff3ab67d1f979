//! Sign-in pages and the gateway's own HTTP surface, an axum router behind the walk.
