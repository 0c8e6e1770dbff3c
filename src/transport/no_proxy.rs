//! [pure] Which hosts are connected to directly and not through the proxy, as `NO_PROXY` says.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::error::Error;

/// Hosts that are connected to directly, each entry at one port, or at every port.
#[derive(Debug, Default, PartialEq)]
pub(super) struct NoProxy(Vec<(Hosts, Option<u16>)>);

#[derive(Debug, PartialEq)]
enum Hosts {
    All,
    /// A domain and everything below it.
    Domain(String),
    Network(IpNet),
}

impl NoProxy {
    /// Parses a list of hosts, separated by commas or spaces: `*`, names such as `example.com` or
    /// `.example.com`, which stand for what is below them too, addresses and networks such as
    /// `10.0.0.0/8` or `10.*`. A name or an address may have a port.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for an entry that is none of these.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let is_between = |c: char| c == ',' || c.is_whitespace();
        let entries = text.split(is_between).filter(|entry| !entry.is_empty());
        entries.map(parse_entry).collect::<Result<_, _>>().map(Self)
    }

    /// Whether `host`, without the brackets of an IPv6 address, is connected to directly.
    pub(super) fn holds(&self, host: &str, port: u16) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let address = host.parse::<IpAddr>().ok().map(|address| address.to_canonical());
        let mut at_port = self.0.iter().filter(|(_, own)| own.is_none_or(|own| own == port));
        at_port.any(|(hosts, _)| match hosts {
            Hosts::All => true,
            Hosts::Network(network) => address.is_some_and(|address| network.contains(&address)),
            Hosts::Domain(_) if address.is_some() => false,
            Hosts::Domain(domain) => host
                .strip_suffix(domain.as_str())
                .is_some_and(|sub| sub.is_empty() || sub.ends_with('.')),
        })
    }
}

/// The hosts of an entry, and their port if it has one.
fn parse_entry(entry: &str) -> Result<(Hosts, Option<u16>), Error> {
    let invalid = || Error::config(format!("no_proxy: {entry:?} is neither a host nor a network"));
    if entry == "*" {
        return Ok((Hosts::All, None));
    }
    let network = |text: &str| {
        let alone = || text.parse().ok().map(|at: IpAddr| IpNet::from(at.to_canonical()));
        let network = text.parse::<IpNet>().ok().or_else(alone).or_else(|| prefix(text));
        network.map(Hosts::Network)
    };
    if let Some(hosts) = network(entry) {
        return Ok((hosts, None));
    }
    let (host, port) = match entry.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse().map_err(|_| invalid())?)),
        None => (entry, None),
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let domain = host.strip_prefix("*.").unwrap_or(host).trim_matches('.');
    let hosts = match network(host.trim_matches(['[', ']'])) {
        Some(hosts) => hosts,
        None if domain.is_empty() || !domain.chars().all(is_name) => return Err(invalid()),
        None => Hosts::Domain(domain.to_ascii_lowercase()),
    };
    Ok((hosts, port))
}

/// The network of an IPv4 address whose end is `*`, such as `192.168.*`.
fn prefix(text: &str) -> Option<IpNet> {
    let octets = text.strip_suffix(".*")?.trim_end_matches(".*");
    let count = octets.split('.').count();
    let address = octets.to_owned() + &".0".repeat(4_usize.checked_sub(count)?);
    IpNet::new(address.parse().ok()?, u8::try_from(8 * count).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_for_what_is_below_them_and_networks_for_their_addresses() {
        for (list, host, port, is_direct) in [
            ("", "example.com", 443, false),
            ("*", "example.com", 443, true),
            ("example.com", "example.com", 443, true),
            ("example.com", "api.Example.COM.", 443, true),
            (".example.com", "example.com", 443, true),
            ("*.example.com", "a.b.example.com", 443, true),
            ("example.com", "notexample.com", 443, false),
            ("example.com:8443", "example.com", 443, false),
            ("example.com:8443", "example.com", 8443, true),
            ("localhost, 10.0.0.0/8", "10.9.8.7", 80, true),
            ("localhost,10.0.0.0/8", "11.0.0.1", 80, false),
            ("localhost,,", "localhost", 80, true),
            ("127.0.0.1", "127.0.0.1", 8080, true),
            ("127.0.0.1:80", "127.0.0.1", 8080, false),
            ("0.0.1", "10.0.0.1", 80, false),
            ("::1", "::1", 80, true),
            ("[::1]:80", "::1", 80, true),
            ("[::1]:80", "::1", 81, false),
            ("fd00::/8", "fd12::1", 80, true),
            // Forms that other clients have met.
            ("::1", "0:0:0:0:0:0:0:1", 80, true),
            ("0:0:0:0:0:0:7f00:1", "::127.0.0.1", 80, true),
            ("::1/64", "::1", 80, true),
            ("127.0.0.1", "::ffff:127.0.0.1", 80, true),
            ("::ffff:10.0.0.1", "10.0.0.1", 80, true),
            ("192.168.*,*.ourdomain.com", "192.168.7.8", 80, true),
            ("192.168.*", "192.169.7.8", 80, false),
            ("10.0.*.*", "10.0.3.4", 80, true),
            ("localhost example.com\t10.0.0.1", "10.0.0.1", 80, true),
            (".local", "printer.local", 631, true),
        ] {
            let is = NoProxy::parse(list).map(|list| list.holds(host, port));
            assert!(is.is_ok_and(|is| is == is_direct), "{list} {host} {port}");
        }
    }

    #[test]
    fn an_entry_that_is_no_host_is_named() {
        for list in
            ["http://example.com", "example.com:http", "10.0.0.0/33", ".", "a/b", "a*b", "300.*"]
        {
            let error = NoProxy::parse(list).unwrap_err();
            assert!(error.to_string().contains(&format!("{list:?}")), "{error}");
        }
    }
}
