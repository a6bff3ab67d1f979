//! Digests, and the length.

use md5::Md5;
use sha1::{Digest as _, Sha1};

pub(super) fn sha1(text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&Sha1::digest(text));
}

pub(super) fn md5(text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&Md5::digest(text));
}

pub(super) fn length(text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(text.len()).as_bytes());
}
