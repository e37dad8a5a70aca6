//! Which hosts the operator may talk to.

/// Port of https.
const HTTPS: u16 = 443;

/// Hosts that the operator may talk to (`--allowed-domain`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedDomains {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    /// `*.` stood before the host: it means every name below it and not the host itself.
    below: bool,
    at: Authority,
}

/// A host name and its port, in one spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Authority {
    host: String,
    port: u16,
}

impl AllowedDomains {
    /// Reads entries such as `*.auth0.com` (one or more labels below), `example.eu.auth0.com` or
    /// `localhost:4433`. Without a port an entry means 443. Letter case does not matter.
    ///
    /// # Errors
    /// A sentence that names the entry which is no host, or a wildcard that would match IP addresses or
    /// loopback names.
    pub fn parse(entries: &[String]) -> Result<Self, String> {
        let entries = entries.iter().map(|entry| Entry::parse(entry.trim())).collect::<Result<_, _>>()?;
        Ok(Self { entries })
    }

    /// Whether `domain`, a host name with an optional port, is one of them.
    ///
    /// IP addresses and `localhost` with what is below it are allowed only by an entry that names them
    /// exactly. A host that an entry names is allowed at the ports of such entries alone: it may lead to a private
    /// address, which no wildcard should open at another port.
    #[must_use]
    pub fn allows(&self, domain: &str) -> bool {
        let Some(wanted) = Authority::parse(domain) else { return false };
        let is_named = self.entries.iter().any(|entry| entry.names(&wanted.host));
        self.entries.iter().any(|entry| entry.below != is_named && entry.matches(&wanted))
    }

    /// Whether a host is one of them only because of a wildcard, so that no entry names it.
    pub(super) fn allows_by_wildcard_only(&self, host: &str) -> bool {
        let Some(wanted) = Authority::parse(host) else { return false };
        let is_below = |entry: &Entry| {
            wanted.host.strip_suffix(&entry.at.host).is_some_and(|labels| labels.ends_with('.'))
        };
        let is_named = self.entries.iter().any(|entry| entry.names(&wanted.host));
        !is_named && self.entries.iter().any(|entry| entry.below && is_below(entry))
    }
}

impl Entry {
    fn parse(text: &str) -> Result<Self, String> {
        let (below, host) = text.strip_prefix("*.").map_or((false, text), |host| (true, host));
        let at = Authority::parse(host).ok_or_else(|| {
            format!("{text:?} is not a host: write example.auth0.com, *.auth0.com or localhost:4433")
        })?;
        if below && at.is_address_or_loopback() {
            return Err(format!("{text:?} must not begin with *: name the host exactly"));
        }
        Ok(Self { below, at })
    }

    /// Whether it names this host exactly, at whatever port.
    fn names(&self, host: &str) -> bool {
        !self.below && self.at.host == host
    }

    fn matches(&self, wanted: &Authority) -> bool {
        if !self.below {
            return self.at == *wanted;
        }
        self.at.port == wanted.port
            && wanted.host.strip_suffix(&self.at.host).is_some_and(|labels| labels.ends_with('.'))
    }
}

impl Authority {
    /// Reads `host` or `host:port`; `None` for anything else, such as userinfo, a path or an empty label.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (host, port) = match text.split_once(':') {
            None => (text, HTTPS),
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                (host, port.parse().ok().filter(|port| *port != 0)?)
            }
            Some(_) => return None,
        };
        let named = host.len() <= 253 && host.split('.').all(is_label);
        named.then(|| Self { host: host.to_ascii_lowercase(), port })
    }

    /// The last label decides, as for URLs (WHATWG URL, "ends in a number checker"): a number, decimal or
    /// hexadecimal, makes the host an IPv4 address. Names at or below `localhost` are loopback (RFC 6761).
    fn is_address_or_loopback(&self) -> bool {
        let last = self.host.rsplit('.').next().unwrap_or_default();
        let hexadecimal = last.strip_prefix("0x");
        last == "localhost"
            || last.bytes().all(|byte| byte.is_ascii_digit())
            || hexadecimal.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    }

    /// The host alone.
    pub(super) fn host(&self) -> &str {
        &self.host
    }
}

impl std::fmt::Display for Authority {
    /// Leaves the port of https out, as Auth0's audiences do.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.port {
            HTTPS => formatter.write_str(&self.host),
            port => write!(formatter, "{}:{port}", self.host),
        }
    }
}

/// A label of a host name (RFC 1123, section 2.1).
fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(entries: &[&str]) -> AllowedDomains {
        AllowedDomains::parse(&entries.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_wildcard_means_one_or_more_labels_below() {
        let domains = allowed(&["*.Auth0.com"]);
        for domain in ["a.auth0.com", "a.eu.auth0.com", "A.EU.AUTH0.COM", "a.auth0.com:443"] {
            assert!(domains.allows(domain), "{domain}");
        }
        for domain in ["auth0.com", "xauth0.com", "a.auth0.com:444", "a.auth0.com.evil.test", ""] {
            assert!(!domains.allows(domain), "{domain}");
        }
    }

    #[test]
    fn an_exact_entry_means_that_host_and_port() {
        let domains = allowed(&["localhost:4433", "id.example.com", "127.0.0.1:4433"]);
        for domain in ["localhost:4433", "LOCALHOST:4433", "id.example.com", "127.0.0.1:4433"] {
            assert!(domains.allows(domain), "{domain}");
        }
        for domain in ["localhost", "a.localhost:4433", "id.example.com:4433", "127.1:4433", "127.0.0.1"] {
            assert!(!domains.allows(domain), "{domain}");
        }
    }

    #[test]
    fn a_host_that_is_named_is_allowed_at_its_ports_alone() {
        let domains = allowed(&["*.example.com", "named.example.com:8443"]);
        assert!(domains.allows("named.example.com:8443") && domains.allows("a.named.example.com"));
        assert!(!domains.allows("named.example.com"));
    }

    #[test]
    fn what_is_no_plain_host_is_not_allowed() {
        let domains = allowed(&["*.auth0.com"]);
        for domain in [
            "a@b.auth0.com",
            "evil.test/.auth0.com",
            "evil.test#.auth0.com",
            "evil.test?.auth0.com",
            "evil.test\\.auth0.com",
            "https://a.auth0.com",
            "a.auth0.com/",
            "a..auth0.com",
            ".auth0.com",
            "a.auth0.com.",
            "*.auth0.com",
            "a%2e.auth0.com",
            "\u{e4}.auth0.com",
            " a.auth0.com",
            "a.auth0.com:",
            "a.auth0.com:+443",
            "a.auth0.com:0",
            "a.auth0.com:65979",
            "a.auth0.com:443:443",
            "[::1]",
            "-a.auth0.com",
        ] {
            assert!(!domains.allows(domain), "{domain}");
        }
    }

    #[test]
    fn entries_that_make_no_sense_are_refused() {
        for entry in ["*", "*.", "", "https://a.auth0.com", "*.localhost", "*.0.0.1", "*.0x7f", "a.*.com"] {
            assert!(AllowedDomains::parse(&[entry.to_owned()]).is_err(), "{entry}");
        }
    }

    #[test]
    fn a_wildcard_of_a_number_cannot_reach_an_address() {
        assert!(!allowed(&["*.example.com"]).allows("10.0.0.1"));
        assert_eq!(Authority::parse("A.auth0.com:443").unwrap().to_string(), "a.auth0.com");
        assert_eq!(Authority::parse("localhost:4433").unwrap().to_string(), "localhost:4433");
    }

    #[test]
    fn a_host_that_only_a_wildcard_allows_is_named_by_no_entry() {
        let allowed = allowed(&["*.example.com", "named.example.com:8443"]);
        for (host, only_by_wildcard) in [
            ("a.example.com", true),
            ("A.B.example.com", true),
            ("named.example.com", false),
            ("example.com", false),
            ("proxy.example.org", false),
            ("no host", false),
        ] {
            assert_eq!(allowed.allows_by_wildcard_only(host), only_by_wildcard, "{host}");
        }
    }
}
