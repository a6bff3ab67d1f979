//! The record: a durable, chained and signed log of every decision, and its verification.
