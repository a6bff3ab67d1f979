//! The engine from outside: attacks it must find, texts it must leave alone, and what is always true of it.

mod attacks;
mod bodies;
mod bounds;
mod crs;
mod harmless;
mod properties;
mod sender;
