//! Addresses and networks.

use std::net::IpAddr;

/// A network: an address and how many of its bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    base: u128,
    mask: u128,
}

/// IPv4 addresses as the part of IPv6 that is mapped from them.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

pub(super) fn parse(text: &str) -> Option<Network> {
    let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
    let address: IpAddr = address.parse().ok()?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    let length: u32 = length.map_or(Some(width), |length| length.parse().ok()).filter(|length| *length <= width)?;
    let mask = u128::MAX.checked_shl(width - length).unwrap_or(0);
    Some(Network { base: bits(address) & mask, mask })
}

pub(super) fn is_in(value: &[u8], networks: &[Network]) -> bool {
    let Some(address) = std::str::from_utf8(value).ok().and_then(|text| text.trim().parse().ok()) else { return false };
    let bits = bits(address);
    networks.iter().any(|network| bits & network.mask == network.base)
}
