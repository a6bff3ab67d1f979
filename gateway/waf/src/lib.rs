//! Inspection: finds attacks in a request's head and body.
