//! Measures the gateway against a bare Pingora proxy in one interleaved run.
