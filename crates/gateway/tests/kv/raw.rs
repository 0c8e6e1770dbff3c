//! HTTP as it is on the wire: what is sent is exactly what is given.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
};

use serde_json::Value;

use crate::clock::PATIENCE;

pub(crate) struct Connection(TcpStream);

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    /// Another end of the same connection.
    pub(crate) fn clone(&self) -> Self {
        Self(self.0.try_clone().unwrap())
    }

    /// Closes it, whatever other ends there are.
    pub(crate) fn close(&self) {
        // The other side may have closed it.
        _ = self.0.shutdown(Shutdown::Both);
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).unwrap();
    }

    /// Sends to a side that may not want more.
    pub(crate) fn send_anyway(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).is_ok()
    }

    /// The next answer, interim ones aside. One to a HEAD has no body.
    pub(crate) fn receive(&mut self, has_body: bool) -> Answer {
        loop {
            let answer = self.receive_any(has_body);
            if answer.status >= 200 {
                return answer;
            }
        }
    }

    /// The status of an interim answer.
    pub(crate) fn receive_interim(&mut self) -> u16 {
        self.receive_any(false).status
    }

    /// The status of an answer whose body is left where it is.
    pub(crate) fn receive_head(&mut self) -> u16 {
        self.receive(false).status
    }

    fn receive_any(&mut self, has_body: bool) -> Answer {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let fields = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let mut answer = Answer { status, fields, body: Vec::new() };
        let length = answer.field("content-length").map_or(0, |length| length.parse().unwrap());
        assert_eq!(answer.field("transfer-encoding"), None);
        if has_body && !matches!(status, 100..200 | 204 | 304) {
            answer.body = vec![0; length];
            self.0.read_exact(&mut answer.body).unwrap();
        }
        answer
    }

    /// Reads so many bytes and forgets them.
    pub(crate) fn skip(&mut self, bytes: usize) {
        let read = std::io::copy(&mut (&self.0).take(bytes as u64), &mut std::io::sink());
        assert_eq!(read.unwrap(), bytes as u64);
    }

    /// Sends a request and returns its answer. If that ends the connection, which it says, the next
    /// request has a new one.
    pub(crate) fn ask(&mut self, request: impl AsRef<[u8]>) -> Answer {
        let is_head = request.as_ref().starts_with(b"HEAD ");
        self.send(request);
        let answer = self.receive(!is_head);
        if answer.field("connection") == Some("close") {
            *self = Self::open(self.0.peer_addr().unwrap());
        }
        answer
    }

    /// Whether the other side closes without saying more.
    pub(crate) fn is_closed(&mut self) -> bool {
        let mut rest = Vec::new();
        matches!(self.0.read_to_end(&mut rest), Ok(0) | Err(_)) && rest.is_empty()
    }
}

impl Answer {
    /// The value of a field that is there once.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter().filter(|(field, _)| field == name);
        let value = fields.next().map(|(_, value)| value.as_str());
        assert_eq!(fields.next(), None, "{name} is there twice");
        value
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The kind of the problem that it is.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.field("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        problem["kind"].as_str().unwrap().to_owned()
    }
}

/// A request below the prefix of the gateway, without a body.
pub(crate) fn request(method: &str, path: &str, fields: &[(&str, &str)]) -> String {
    let mut head = format!("{method} /api/v1{path} HTTP/1.1\r\nHost: kv.test\r\n");
    for (name, value) in fields {
        head += &format!("{name}: {value}\r\n");
    }
    head + "\r\n"
}

/// A request with a body.
pub(crate) fn with_body(
    method: &str,
    path: &str,
    fields: &[(&str, &str)],
    body: impl AsRef<[u8]>,
) -> Vec<u8> {
    let length = body.as_ref().len().to_string();
    let fields = [fields, &[("Content-Length", length.as_str())]].concat();
    let mut bytes = request(method, path, &fields).into_bytes();
    bytes.extend_from_slice(body.as_ref());
    bytes
}
