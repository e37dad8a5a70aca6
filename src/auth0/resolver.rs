//! Name resolution that keeps a tenant's domain from leading to this machine or its link.

use crate::auth0::domain::AllowedDomains;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, SocketAddr};

/// Resolves names as the system does, and refuses what no tenant can be.
pub(super) struct Resolver(pub(super) AllowedDomains);

/// The domain leads to a loopback or link-local address.
#[derive(Debug, thiserror::Error)]
#[error("the name leads to a loopback or link-local address")]
pub(super) struct LeadsHere;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        // A name that no entry matches is that of a proxy: domains of tenants were judged before.
        let is_guarded = self.0.allows_by_wildcard_only(name.as_str());
        Box::pin(async move {
            let addresses: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if is_guarded && addresses.iter().any(|address| leads_here(address.ip())) {
                return Err(LeadsHere.into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// Loopback, link-local, or unspecified, which systems take for loopback.
fn leads_here(address: IpAddr) -> bool {
    let address = address.to_canonical();
    let is_link_local = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    is_link_local || address.is_loopback() || address.is_unspecified()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_and_its_link_are_no_tenants() {
        for address in [
            "127.0.0.1",
            "127.8.8.8",
            "169.254.169.254",
            "0.0.0.0",
            "::1",
            "::",
            "fe80::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.1.1",
        ] {
            assert!(leads_here(address.parse().unwrap()), "{address}");
        }
        for address in ["104.16.1.1", "10.0.0.1", "2606:4700::1", "::ffff:104.16.1.1"] {
            assert!(!leads_here(address.parse().unwrap()), "{address}");
        }
    }
}
