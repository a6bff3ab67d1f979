//! The gateway's own pages over a real store, in one program.

mod account;
mod house;
mod join;
mod kept;
mod oauth;
mod pages;
mod passkey;
mod provider;
mod saml;
mod signin;
mod sso;
