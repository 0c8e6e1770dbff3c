//! What must hold for any bytes from a server: a response is read completely or is an error,
//! however its bytes are split, and no link leads out of the base URL. awc reads through the
//! guard here as it does over a socket; a second, plain reading says what the response means.

use std::{
    cell::RefCell,
    collections::VecDeque,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use actix_http::RequestHead;
use actix_rt::time::Instant;
use futures::TryStreamExt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use url::Url;

use super::{
    head::{self, MAX_HEAD, ParsedHead},
    sender::Sender,
    strict_io::StrictIo,
    wire,
};
use crate::base_url::BaseUrl;

/// Longer than a fuzzer lets anything last.
const IDLE: Duration = Duration::from_secs(3600);

/// A status and a complete body.
type Whole = (u16, Vec<u8>);

/// Sends `wire` as the response to a GET, once in one piece and once split into pieces of the
/// lengths `cuts`, and then closes, or breaks if it is `broken`.
///
/// # Panics
/// If awc reads less or more than the complete response, or if the result depends on the cuts.
pub fn answer(cuts: &[u8], wire: &[u8], broken: bool) {
    let at_a_stroke = read(crate::fuzzing::pieces(wire, &[]), broken);
    let in_pieces = read(crate::fuzzing::pieces(wire, cuts), broken);
    assert_eq!(at_a_stroke, in_pieces, "it depends on the cuts");
    if at_a_stroke.is_some() {
        assert_eq!(at_a_stroke, meant(wire, broken), "not what the server meant");
    }
}

/// What awc makes of a response in these pieces; `None` for an error.
fn read(pieces: Vec<Vec<u8>>, broken: bool) -> Option<Whole> {
    thread_local! {
        static RUNTIME: Option<actix_rt::Runtime> = actix_rt::Runtime::new().ok();
    }
    let stream = Fed { pieces: pieces.into(), broken };
    let reading = async {
        let io = Rc::new(RefCell::new(StrictIo::new(stream, false, IDLE, Instant::now())));
        let sent = Sender::new().send(&io, RequestHead::default(), None).await;
        let (head, payload) = sent.ok()?;
        let (status, _) = wire::answer_head(&head).ok()?;
        let parts: Vec<_> = payload.try_collect().await.ok()?;
        Some((status.as_u16(), parts.concat()))
    };
    RUNTIME.with(|runtime| runtime.as_ref().and_then(|runtime| runtime.block_on(reading)))
}

/// What all the bytes mean to a plain reader; `None` if the response is incomplete.
fn meant(mut wire: &[u8], broken: bool) -> Option<Whole> {
    loop {
        let head = take_head(&mut wire)?;
        let mut fields = [httparse::EMPTY_HEADER; 128];
        let mut response = httparse::Response::new(&mut fields);
        if !response.parse(&head).ok()?.is_complete() {
            return None;
        }
        let status = response.code?;
        if status < 200 {
            continue;
        }
        let field = |name: &str| {
            let named =
                response.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
            let values = named.map(|field| field.value).collect::<Vec<_>>();
            (!values.is_empty()).then(|| values.join(&b','))
        };
        let body = if status == 204 || status == 304 {
            Some(Vec::new())
        } else if field("transfer-encoding").is_some() {
            chunks(wire)
        } else if let Some(length) = field("content-length") {
            let mut lengths = str::from_utf8(&length).ok()?.split(',').map(str::trim);
            let length = lengths.next()?.parse::<usize>().ok()?;
            if !lengths.all(|other| other.parse() == Ok(length)) {
                return None;
            }
            wire.get(..length).map(<[u8]>::to_vec)
        } else {
            (!broken).then(|| wire.to_vec())
        };
        return Some((status, body?));
    }
}

/// Reads the head at the start of `bytes`.
///
/// # Panics
/// If it is longer than what was received, if bytes after it change its meaning, or if a head
/// that lacks its last byte is complete.
pub fn head(bytes: &[u8]) {
    let whole = inspected(bytes);
    let length = match &whole {
        Ok(ParsedHead::Final(head)) => head.len,
        Ok(ParsedHead::Interim(length)) => *length,
        Ok(ParsedHead::Partial) | Err(_) => return,
    };
    assert!((1..=bytes.len().min(MAX_HEAD)).contains(&length), "no such length: {length}");
    assert_eq!(inspected(&bytes[..length]), whole, "it depends on what follows");
    let cut = inspected(&bytes[..length - 1]);
    assert!(matches!(cut, Ok(ParsedHead::Partial) | Err(_)), "complete without its end");
}

fn inspected(bytes: &[u8]) -> Result<ParsedHead, head::HeadError> {
    head::inspect(&mut bytes.to_vec(), false)
}

/// Takes a head from the start of `wire`, with each field in a line of its own.
fn take_head(wire: &mut &[u8]) -> Option<Vec<u8>> {
    let mut head: Vec<u8> = Vec::new();
    let mut lines = 0;
    loop {
        let length = wire.iter().position(|byte| *byte == b'\n')? + 1;
        let (line, rest) = wire.split_at(length);
        *wire = rest;
        let text = line.strip_suffix(b"\r\n").unwrap_or(&line[..length - 1]);
        if text.is_empty() && lines == 0 {
            continue;
        }
        lines += 1;
        match text {
            [] => return Some([head.as_slice(), b"\r\n"].concat()),
            [b' ' | b'\t', ..] if lines > 2 => {
                head.truncate(head.len() - 2);
                head.push(b' ');
            }
            [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'2'..=b'9', b' ', rest @ ..]
                if lines == 1 =>
            {
                head.extend([b"HTTP/1.1 ", rest, b"\r\n"].concat());
                continue;
            }
            _ => {}
        }
        head.extend([&cleaned(text), &b"\r\n"[..]].concat());
    }
}

/// A field line with the colon right after its name and without meaningless control characters.
fn cleaned(line: &[u8]) -> Vec<u8> {
    let mut parts = line.splitn(2, |byte| *byte == b':');
    let (Some(name), Some(value)) = (parts.next(), parts.next()) else { return line.to_vec() };
    let name = name.trim_ascii_end();
    let Ok(known) = http::HeaderName::from_bytes(name) else { return line.to_vec() };
    let is_framing =
        known == http::header::CONTENT_LENGTH || known == http::header::TRANSFER_ENCODING;
    let is_kept = |byte: &u8| is_framing || !byte.is_ascii_control() || b"\0\t\r\n".contains(byte);
    let value = value.iter().map(|byte| if is_kept(byte) { *byte } else { b' ' });
    name.iter().copied().chain(*b":").chain(value).collect()
}

/// The data of chunks that end with the last chunk and its trailers.
fn chunks(mut wire: &[u8]) -> Option<Vec<u8>> {
    let mut data = Vec::new();
    loop {
        let line = take_line(&mut wire)?;
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let size = usize::from_str_radix(str::from_utf8(&line[..digits]).ok()?, 16).ok()?;
        if size == 0 {
            let mut may_fold = false;
            loop {
                let line = take_line(&mut wire)?;
                if line.is_empty() {
                    return Some(data);
                }
                let is_fold = may_fold && matches!(line, [b' ' | b'\t', ..]);
                let field = [b"x:", line].concat();
                let field = if is_fold { field.as_slice() } else { line };
                let colon = field.iter().position(|byte| *byte == b':')?;
                http::HeaderName::from_bytes(&field[..colon]).ok()?;
                http::HeaderValue::from_bytes(&field[colon + 1..]).ok()?;
                may_fold = true;
            }
        }
        data.extend_from_slice(wire.get(..size)?);
        wire = wire[size..].strip_prefix(b"\r\n")?;
    }
}

fn take_line<'a>(wire: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = wire.windows(2).position(|two| two == b"\r\n")?;
    let line = &wire[..end];
    *wire = &wire[end + 2..];
    Some(line)
}

/// Resolves `target` as a call's target, as the link of a page and as a redirect.
///
/// # Panics
/// If one that leads out of the base URL, or holds what a URL cannot, is accepted.
pub fn link(target: &str) {
    for base in ["http://host", "https://host:8443/v1", "http://host/a%20b/c/"] {
        let (Ok(checked), Ok(root)) = (BaseUrl::parse(base), Url::parse(base)) else { continue };
        let Ok(current) = checked.join("/rows?page=1") else { continue };
        for uri in [checked.join(target), checked.follow(&current, target)].into_iter().flatten() {
            let text = uri.to_string();
            assert!(text.bytes().all(|byte| byte.is_ascii_graphic()), "{base} and {text:?}");
            assert!(!text.contains('#'), "{base} and {text:?}");
            // As a browser would read it, with dots resolved and default ports left out.
            let url = Url::parse(&text.replace("%2f", "/").replace("%2F", "/"));
            let inside = url.as_ref().is_ok_and(|url| {
                let below = url.path().strip_prefix(root.path().trim_end_matches('/'));
                url.origin() == root.origin()
                    && url.username().is_empty()
                    && url.password().is_none()
                    && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            });
            assert!(inside, "{base} was left for {text:?}");
        }
    }
}

/// A connection whose server sends fixed bytes, whatever it is asked.
struct Fed {
    pieces: VecDeque<Vec<u8>>,
    /// Whether the end is an error.
    broken: bool,
}

impl AsyncRead for Fed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.pieces.pop_front() {
            Some(mut piece) => {
                let later = piece.split_off(piece.len().min(buf.remaining()));
                buf.put_slice(&piece);
                if !later.is_empty() {
                    self.pieces.push_front(later);
                }
                Poll::Ready(Ok(()))
            }
            None if self.broken => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Fed {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    /// Responses that are nearly valid.
    fn wire() -> impl Strategy<Value = Vec<u8>> {
        let part = prop::sample::select(vec![
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.0 200 OK\r\n",
            "HTTP/1.2 200 OK\r\n",
            "HTTP/1.1 103 Hints\r\n\r\n",
            "HTTP/1.1 204 None\r\n",
            "content-length: 5\r\n",
            "content-length: 0\r\n",
            "content-length: 5, 5\r\n",
            "content-length:\r\n 5\r\n",
            " folded\n",
            "content-length : 5\r\n",
            "x: \u{1}\r\n",
            "transfer-encoding: chunked\r\n",
            "connection: close\r\n",
            "upgrade: websocket\r\n",
            "\r\n",
            "rows!",
            "5\r\nrows!\r\n",
            "2;a=b\r\nro\r\n",
            "0\r\n\r\n",
            "0\r\nx: y\r\n\r\n",
            "0\r\nx: y\r\n z\r\n\r\n",
            "0\r\n2\r\nro\r\n",
        ]);
        let noise = prop::collection::vec(any::<u8>(), 0..6);
        (prop::collection::vec(part, 0..9), noise, any::<bool>()).prop_map(
            |(parts, noise, noisy)| {
                let mut bytes = parts.concat().into_bytes();
                if noisy {
                    bytes.extend(noise);
                }
                bytes
            },
        )
    }

    /// A valid response, so that not all of them are refused.
    fn right() -> impl Strategy<Value = Vec<u8>> {
        prop::sample::select(vec![
            "content-length: 5\r\n\r\nrows!",
            "a: b\r\n c\r\ncontent-length: 5\r\ncontent-length: 5, 5\r\n\r\nrows!",
            "transfer-encoding: chunked\r\n\r\n2\r\nro\r\n3;x\r\nws!\r\n0\r\na: b\r\n\r\n",
            "content-length: 0\r\n\r\n",
            "\r\nuntil the close",
        ])
        .prop_map(|rest| format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n{rest}").into())
    }

    proptest! {
        #[test]
        fn an_answer_is_whole_or_an_error_however_it_is_cut(
            wire in prop_oneof![wire(), right()],
            cuts in prop::collection::vec(1..12_u8, 0..24),
            broken in any::<bool>(),
        ) {
            super::answer(&cuts, &wire, broken);
            super::head(&wire);
        }

        #[test]
        fn an_answer_that_ends_too_early_is_an_error(wire in right(), missing in 1..20_usize) {
            let cut = &wire[..wire.len() - missing];
            if let Some(read) = super::read(vec![cut.to_vec()], false) {
                prop_assert!(super::meant(&wire, true).is_none(), "{read:?}");
            }
        }

        #[test]
        fn no_link_leads_out_of_the_base_url(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "http", "https", ":", "//", "/", "\\", "host", ":80", ":8443", "v1", "..", ".",
                    "%2e", "%2F", "@", "?", "#", "a", " ", "\t", "é", "%", "%00", "[", "a%20b", "c",
                ]),
                0..9,
            ),
        ) {
            super::link(&parts.concat());
        }
    }

    #[test]
    fn a_right_answer_is_read() {
        let wire = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nrows!".to_vec();
        assert_eq!(super::read(vec![wire], false), Some((200, b"rows!".to_vec())));
    }
}
