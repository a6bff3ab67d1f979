//! The walk of one request through Pingora, one file per stage.
