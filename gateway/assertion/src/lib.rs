//! The signed identity that services trust: issued by the gateway, verified anywhere.
