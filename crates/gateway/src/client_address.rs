//! [pure] The address of a client: that of the peer, or what a reverse proxy says of it, if the peer
//! is one that is trusted.

use std::net::{IpAddr, SocketAddr};

use actix_web::http::header::{HeaderMap, X_FORWARDED_FOR};
use ipnet::IpNet;

use crate::error::Error;

/// The networks of reverse proxies whose word is taken.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proxies(Vec<IpNet>);

impl Proxies {
    /// # Errors
    /// If a text is neither an address nor a network.
    pub(crate) fn parse(texts: &[String]) -> Result<Self, Error> {
        let parse = |text: &String| {
            let network = text.parse::<IpNet>().ok();
            network.or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from)).ok_or_else(|| {
                Error::Setting(format!("trust_proxies: {text:?} is not an address or network"))
            })
        };
        texts.iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The client of a request: the last address in `X-Forwarded-For` that is not a proxy's. What
    /// comes before it in the field may be made up.
    pub(crate) fn client(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Option<IpAddr> {
        let mut client = peer?;
        if self.0.is_empty() || !self.trusts(client) {
            return Some(client);
        }
        let fields: Vec<&str> =
            headers.get_all(X_FORWARDED_FOR).filter_map(|field| field.to_str().ok()).collect();
        let hops = fields.iter().flat_map(|field| field.split(',')).map(str::trim);
        for hop in hops.collect::<Vec<_>>().into_iter().rev() {
            let Some(address) = address(hop) else { break };
            client = address;
            if !self.trusts(client) {
                break;
            }
        }
        Some(client)
    }
}

/// An address with or without a port.
fn address(hop: &str) -> Option<IpAddr> {
    let plain = hop.parse().ok();
    plain
        .or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip()))
        .or_else(|| hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn client(proxies: &[&str], peer: &str, fields: &[&'static str]) -> String {
        let proxies: Vec<String> = proxies.iter().map(|text| (*text).to_owned()).collect();
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(X_FORWARDED_FOR, HeaderValue::from_static(field));
        }
        let client = Proxies::parse(&proxies).unwrap().client(peer.parse().ok(), &headers);
        client.unwrap().to_string()
    }

    #[test]
    fn only_a_trusted_proxy_may_say_who_its_client_is() {
        let forged = ["198.51.100.1"];
        assert_eq!(client(&[], "192.0.2.1", &forged), "192.0.2.1");
        assert_eq!(client(&["10.0.0.0/8"], "192.0.2.1", &forged), "192.0.2.1");
        assert_eq!(client(&["10.0.0.0/8"], "10.1.2.3", &forged), "198.51.100.1");
        assert_eq!(client(&["10.0.0.0/8"], "::ffff:10.1.2.3", &forged), "198.51.100.1");
        assert_eq!(client(&["10.0.0.0/8"], "10.1.2.3", &[]), "10.1.2.3");
    }

    #[test]
    fn what_a_client_adds_to_the_field_is_not_believed() {
        let proxies = ["10.0.0.0/8", "::1"];
        for (fields, expected) in [
            (vec!["203.0.113.9, 198.51.100.1"], "198.51.100.1"),
            (vec!["203.0.113.9", "198.51.100.1, 10.0.0.2"], "198.51.100.1"),
            (vec!["198.51.100.1:4711"], "198.51.100.1"),
            (vec!["[2001:db8::1]:4711"], "2001:db8::1"),
            (vec!["2001:db8::1"], "2001:db8::1"),
            (vec!["unknown"], "::1"),
            (vec!["198.51.100.1, unknown"], "::1"),
            (vec!["10.0.0.7"], "10.0.0.7"),
        ] {
            assert_eq!(client(&proxies, "::1", &fields), expected, "{fields:?}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "proxy.local", "10.0.0.0/33", "10.0.0"] {
            assert!(Proxies::parse(&[text.to_owned()]).is_err(), "{text}");
        }
    }
}
