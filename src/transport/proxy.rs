//! [pure] What is said to an HTTP proxy and what its answer means: a tunnel by
//! CONNECT (RFC 9110 section 9.3.6). Knows no sockets.

use std::fmt;

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::{Buf, BytesMut};
use httparse::Status;
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use super::{mend::mend, no_proxy::NoProxy};
use crate::error::{Error, ErrorKind};

/// The most that a proxy may say before the tunnel is open, in bytes.
const MAX_ANSWER: usize = 16 * 1024;
/// The same for all of its answers together: interim ones may come before the last.
pub(super) const MAX_ANSWERS: usize = 2 * MAX_ANSWER;
const MAX_FIELDS: usize = 64;

/// A checked HTTP proxy.
pub(crate) struct Proxy {
    /// Without the brackets of an IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
    /// Whether it is spoken to inside TLS.
    pub(super) is_secure: bool,
    /// The value of `Proxy-Authorization`.
    authorization: Option<SecretString>,
    pub(super) no_proxy: NoProxy,
}

impl Proxy {
    /// Parses `http://user:password@host:port` or the same with `https`; the user, the password
    /// and the port (then 80 or 443) may be left out. `no_proxy` lists the hosts that are
    /// connected to directly.
    ///
    /// # Errors
    /// [`ErrorKind::Config`], which names what is wrong and echoes nothing of the URL.
    pub(crate) fn parse(text: &str, no_proxy: &str) -> Result<Self, Error> {
        let url = Url::parse(text)
            .map_err(|source| Error::config("proxy: is not a valid URL").with_source(source))?;
        let is_secure = match url.scheme() {
            "http" => false,
            "https" => true,
            _ => return Err(Error::config("proxy: must start with http:// or https://")),
        };
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(Error::config("proxy: must not hold a path, a query or a fragment"));
        }
        let host = match url.host() {
            Some(Host::Ipv6(address)) => address.to_string(),
            Some(host) => host.to_string(),
            None => return Err(Error::config("proxy: the host is missing")),
        };
        let port = url.port_or_known_default().filter(|port| *port != 0);
        let port = port.ok_or_else(|| Error::config("proxy: the port must be from 1 to 65535"))?;
        let (authorization, no_proxy) = (authorization(&url)?, NoProxy::parse(no_proxy)?);
        Ok(Self { host, port, is_secure, authorization, no_proxy })
    }

    /// The URL of the proxy for an API that is `https` or not, and the list of hosts without one,
    /// by the variables that `curl` reads.
    pub(crate) fn of_variables(
        is_https: bool,
        variable: impl Fn(&str) -> Option<String>,
    ) -> (Option<String>, String) {
        let first = |names: &[&str]| {
            let values = names.iter().filter_map(|name| variable(name));
            values.map(|value| value.trim().to_owned()).find(|value| !value.is_empty())
        };
        // A CGI program gets HTTP_PROXY from the header `Proxy` of whoever asks.
        let url = match is_https {
            true => first(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]),
            false => first(&["http_proxy", "all_proxy", "ALL_PROXY"]),
        };
        let url = url.map(|url| if url.contains("://") { url } else { format!("http://{url}") });
        (url, first(&["no_proxy", "NO_PROXY"]).unwrap_or_default())
    }

    /// Asks for a tunnel to `authority`, a host with a port.
    pub(super) fn request(&self, authority: &str) -> Vec<u8> {
        let authorization = match &self.authorization {
            Some(value) => format!("Proxy-Authorization: {}\r\n", value.expose_secret()),
            None => String::new(),
        };
        format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{authorization}\r\n")
            .into_bytes()
    }
}

/// The credentials in a URL as a Basic header (RFC 7617).
fn authorization(url: &Url) -> Result<Option<SecretString>, Error> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(None);
    }
    let user: Vec<u8> = percent_decode_str(url.username()).collect();
    if user.contains(&b':') {
        return Err(Error::config("proxy: the user name must not hold a colon"));
    }
    let password = percent_decode_str(url.password().unwrap_or_default());
    let credentials: Vec<u8> = user.into_iter().chain([b':']).chain(password).collect();
    Ok(Some(format!("Basic {}", BASE64_STANDARD.encode(credentials)).into()))
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("host", &self.host).field("port", &self.port).finish()
    }
}

/// Whether `bytes`, what the proxy has said so far, opens the tunnel. Interim answers are
/// taken out of it.
///
/// # Errors
/// [`ErrorKind::Connect`] when the proxy could not reach the host, which may pass;
/// [`ErrorKind::Proxy`] when it refuses the tunnel, or what it says is not an answer to CONNECT.
pub(super) fn is_open(bytes: &mut BytesMut) -> Result<bool, Error> {
    let odd = |what: &'static str| Error::new(ErrorKind::Proxy, what);
    loop {
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut response = httparse::Response::new(&mut fields);
        let len = match response.parse(bytes) {
            Ok(Status::Complete(len)) => len,
            Ok(Status::Partial) if bytes.len() < MAX_ANSWER => return Ok(false),
            Ok(Status::Partial) => return Err(odd("the proxy's response has no end")),
            Err(_) if mend(bytes) => continue,
            Err(_) => return Err(odd("the proxy's response is not HTTP")),
        };
        match response.code.unwrap_or_default() {
            // A tunnel has no body, whatever the head says, and the host does not speak first.
            200..300 if bytes.len() == len => return Ok(true),
            200..300 => return Err(odd("bytes came through the tunnel before anything was sent")),
            100 | 102..200 => bytes.advance(len),
            407 => return Err(odd("the proxy asks for other credentials (status 407)")),
            status @ (500 | 502..=504) => {
                let what = format!("the proxy did not reach the host (status {status})");
                return Err(Error::new(ErrorKind::Connect, what));
            }
            status => {
                let what = format!("the proxy refused the tunnel (status {status})");
                return Err(Error::new(ErrorKind::Proxy, what));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_read_as_curl_reads_them() {
        let read = |is_https, variables: &[(&str, &str)]| {
            let variable = |name: &str| {
                let found = variables.iter().find(|(own, _)| *own == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            Proxy::of_variables(is_https, variable)
        };
        let proxy = |text: &str| Some(text.to_owned());
        assert_eq!(read(true, &[]), (None, String::new()));
        let both = [("http_proxy", "http://a:1"), ("HTTPS_PROXY", "b:2"), ("NO_PROXY", "c")];
        assert_eq!(read(true, &both), (proxy("http://b:2"), "c".to_owned()));
        assert_eq!(read(false, &both), (proxy("http://a:1"), "c".to_owned()));
        assert_eq!(
            read(true, &[("https_proxy", " "), ("ALL_PROXY", "https://d")]).0,
            proxy("https://d")
        );
        assert_eq!(read(false, &[("HTTP_PROXY", "http://evil:1")]).0, None);
    }
}
