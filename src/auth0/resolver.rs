//! Name resolution that keeps a tenant's domain from leading to this machine or its networks.

use crate::auth0::domain::AllowedDomains;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Resolves names as the system does, and refuses what no tenant can be.
pub(super) struct Resolver(pub(super) AllowedDomains);

/// The domain leads to a private address.
#[derive(Debug, thiserror::Error)]
#[error("the name resolves to a private address")]
pub(super) struct LeadsInside;

/// The name has no address.
#[derive(Debug, thiserror::Error)]
#[error("the name has no address")]
pub(super) struct NotFound;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        // A name that no entry matches is that of a proxy: domains of tenants were judged before.
        let is_guarded = self.0.allows_by_wildcard_only(name.as_str());
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await.map_err(|_| NotFound)?;
            let addresses: Vec<SocketAddr> = found.collect();
            if is_guarded && addresses.iter().any(|address| is_internal(address.ip())) {
                return Err(LeadsInside.into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// Whether an address is reachable from here only: no tenant of Auth0 is there, but what a cluster keeps to itself is.
fn is_internal(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_internal_v4(address),
        IpAddr::V6(address) => {
            address.is_loopback()
                || address.is_unspecified()
                || address.is_unique_local()
                || address.is_unicast_link_local()
                || address.is_multicast()
                || translated(address).is_some_and(is_internal_v4)
        }
    }
}

fn is_internal_v4(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    // Shared address space, RFC 6598.
    let is_shared = first == 100 && second & 0xc0 == 64;
    // Systems take "this network" (RFC 791) for loopback.
    first == 0
        || is_shared
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast()
}

/// The IPv4 address that an address of NAT64 (`64:ff9b::/96`, RFC 6052) or of 6to4 (`2002::/16`, RFC 3056) stands for.
fn translated(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let at = |first: u16, second: u16| {
        let ([a, b], [c, d]) = (first.to_be_bytes(), second.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, first, second] | [0x2002, first, second, ..] => Some(at(first, second)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reachable_from_here_only_is_no_tenant() {
        for address in [
            "127.0.0.1",
            "127.8.8.8",
            "169.254.169.254",
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "100.127.255.255",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd12:3456::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.1.1.1",
            "64:ff9b::10.0.0.1",
            "2002:7f00:1::",
        ] {
            assert!(is_internal(address.parse().unwrap()), "{address}");
        }
        for address in [
            "104.16.1.1",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "2606:4700::1",
            "::ffff:104.16.1.1",
            "64:ff9b::104.16.1.1",
            "2002:6810:101::",
        ] {
            assert!(!is_internal(address.parse().unwrap()), "{address}");
        }
    }
}
