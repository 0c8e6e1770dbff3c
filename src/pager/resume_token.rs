//! [pure] A value that stores where a read stands and which read it is, across processes.

use std::{
    fmt::{self, Debug},
    str::FromStr,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use super::{
    envelope::Envelope,
    strategy::{PageAddress, Paging, Position},
};
use crate::{
    error::Error,
    signer::{Signer, UNSIGNED},
};

/// The version of the token format, which is the first byte of a token.
const VERSION: u8 = 1;
/// The first byte of tokens from before the version was part of them.
const UNTOLD: u8 = b'{';

/// Which read a position belongs to: what was read and how, as hashes that are the same in every
/// process of one release of this crate, and for which no other read can be constructed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReadIdentity {
    endpoint: String,
    paging: String,
    envelope: String,
    release: String,
}

impl ReadIdentity {
    /// The identity of a read of `endpoint`, or of any text that says what was read.
    pub(crate) fn of(endpoint: &str, paging: &Paging, envelope: &Envelope) -> Self {
        let hash_of = |setting: &dyn Debug| hash(&format!("{setting:?}"));
        Self {
            endpoint: hash(endpoint),
            paging: hash_of(paging),
            envelope: hash_of(envelope),
            release: env!("CARGO_PKG_VERSION").into(),
        }
    }

    /// How this read differs from `own`, in words; `None` if it is the same.
    pub(crate) fn difference(&self, own: &Self) -> Option<String> {
        let differ = [
            (self.endpoint != own.endpoint, "endpoint"),
            (self.paging != own.paging, "paging"),
            (self.envelope != own.envelope, "envelope"),
        ];
        let differ = differ.iter().filter(|(differs, _)| *differs);
        let differ: Vec<_> = differ.map(|(_, what)| format!("another {what}")).collect();
        if differ.is_empty() {
            return None;
        }
        let by = match self.release == own.release {
            true => String::new(),
            false => format!(", or by another release of this crate ({:.20})", self.release),
        };
        Some(format!("{}{by}", differ.join(" and ")))
    }
}

/// The first half of a SHA-256, as text.
fn hash(text: &str) -> String {
    let digest = digest(&SHA256, text.as_bytes());
    URL_SAFE_NO_PAD.encode(digest.as_ref().split_at(16).0)
}

/// Where a [`PaginatedStream`](crate::PaginatedStream) stands: a checkpoint for another stream to
/// resume from, perhaps in another process.
///
/// Store it by serde or as text; the format contains its version. It holds what leads to the
/// page: its number, its first row, a cursor or a URL. These may contain credentials, so `Debug`
/// does not show them and there is no `Display`; whoever stores a token stores them too. It also
/// identifies the read, by hashes of the endpoint with its query, of the
/// [`Paging`](crate::Paging) and of the [`Envelope`](crate::Envelope), but not of the pool's base
/// URL: the same set may be at another address later.
///
/// It is signed, and accepted only with the same key. By default the key is random for each
/// process; [`PoolBuilder::signing_key`](crate::PoolBuilder::signing_key) sets it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ResumeToken {
    pub(super) position: Position,
    pub(super) identity: ReadIdentity,
    signature: String,
}

/// The content of a token's text, after its version.
#[derive(Serialize, Deserialize)]
struct Content<P, O, S> {
    at: P,
    of: O,
    /// The signature of the rest; empty if unsigned.
    #[serde(default)]
    by: S,
}

impl ResumeToken {
    pub(super) fn signed(position: Position, identity: ReadIdentity, signer: &Signer) -> Self {
        let mut token = Self { position, identity, signature: String::new() };
        token.signature = signer.sign(&token.bytes(""));
        token
    }

    /// The bytes with `signature` in place of its own. The signed bytes have an empty one.
    fn bytes(&self, signature: &str) -> Vec<u8> {
        let content = Content { at: &self.position, of: &self.identity, by: signature };
        let mut bytes = vec![VERSION];
        // Numbers and text always serialize.
        bytes.extend(serde_json::to_vec(&content).unwrap_or_default());
        bytes
    }

    /// The token as one word of letters, digits, `-` and `_`.
    #[must_use]
    pub fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.bytes(&self.signature))
    }

    /// Whether the read has ended.
    #[must_use]
    pub fn is_end(&self) -> bool {
        self.position.address.is_none()
    }

    /// The place that is so many full pages further on in the same read, signed with `key`: where a
    /// part of the set begins that is read by itself, by a stream with this
    /// [`signing_key`](crate::PaginatedStream::signing_key). `None` if pages name each other or are in windows, if the
    /// read has ended here or is in the middle of a page, or if no page has shown yet how many items
    /// a full one has.
    ///
    /// ```no_run
    /// use futures::StreamExt;
    /// use vantage_api_pool::{AwwPool, PaginatedStream};
    ///
    /// # async fn demo(pool: AwwPool, key: [u8; 32]) -> Result<(), vantage_api_pool::Error> {
    /// let rows = || PaginatedStream::get(&pool, "/rows").signing_key(&key);
    /// let mut pages = rows().max_pages(1).pages();
    /// let Some(first) = pages.next().await else { return Ok(()) };
    /// let after = first?.resume_token();
    /// // Pages 11 to 20, while others read the rest.
    /// if let Some(tenth) = after.ahead(9, &key) {
    ///     let part = rows().resume_from(tenth).max_pages(10).pages().take(10);
    /// #   drop(part);
    /// }
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn ahead(&self, pages: u64, key: &[u8; 32]) -> Option<Self> {
        let at = &self.position;
        let is_within = at.taken > 0 && at.taken < at.full;
        if at.full == 0 || is_within || at.window.is_some() {
            return None;
        }
        // A page that was taken whole is behind it.
        let pages = pages.checked_add(u64::from(at.taken > 0))?;
        let index = at.index.checked_add(pages)?;
        let rows = pages.checked_mul(at.full)?;
        let address = match at.address.as_ref()? {
            PageAddress::Page(_) => PageAddress::Page(index),
            PageAddress::Offset(row) => PageAddress::Offset(row.checked_add(rows)?),
            _ => return None,
        };
        let mut ahead = at.clone();
        ahead.go_to(index, Some(address), at.rows.checked_add(rows)?);
        Some(Self::signed(ahead, self.identity.clone(), &Signer::new(key)?))
    }

    /// How many items a full page of the read has, as far as it is known by then; 0 if it is not.
    #[must_use]
    pub fn page_size(&self) -> u64 {
        self.position.full
    }

    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for a token of another read than `own`,
    /// saying what differs, and for one that `signer` has not signed.
    pub(super) fn check(&self, own: &ReadIdentity, signer: &Signer) -> Result<(), Error> {
        let refused = |what: &str| Err(Error::config(format!("resume_from: {what}")));
        if let Some(difference) = self.identity.difference(own) {
            return refused(&format!("the token is of a read with {difference}"));
        }
        if !signer.has_signed(&self.bytes(""), &self.signature) {
            return refused(UNSIGNED);
        }
        Ok(())
    }
}

impl FromStr for ResumeToken {
    type Err = Error;

    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for text that [`to_text`](Self::to_text) has
    /// not made, and for text of another version, which is named.
    fn from_str(text: &str) -> Result<Self, Error> {
        let bytes = URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
        let content = match bytes.split_first() {
            Some((&VERSION, content)) => serde_json::from_slice(content).ok(),
            Some((&UNTOLD, _)) if serde_json::from_slice::<Position>(&bytes).is_ok() => {
                let what = "the resume token is of a version before 1, which does not say what \
                            it is of";
                return Err(Error::config(what));
            }
            Some((version, [b'{', ..])) => {
                return Err(Error::config(format!(
                    "the resume token is of version {version}, not of {VERSION}"
                )));
            }
            _ => None,
        };
        let Content { at: position, of: identity, by: signature } =
            content.ok_or_else(|| Error::config("the text is not a resume token"))?;
        Ok(Self { position, identity, signature })
    }
}

impl From<ResumeToken> for String {
    fn from(token: ResumeToken) -> Self {
        token.to_text()
    }
}

impl TryFrom<String> for ResumeToken {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl Debug for ResumeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResumeToken")
            .field("page", &self.position.index)
            .field("taken", &self.position.taken)
            .field("is_end", &self.is_end())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pager::PageAddress;

    fn token() -> ResumeToken {
        let paging = Paging::page_number();
        let identity = ReadIdentity::of("/rows?a=1", &paging, &Envelope::default());
        let at = Position { index: 3, full: 10, ..Position::at(PageAddress::Page(3), 30) };
        ResumeToken::signed(at, identity, &Signer::of_this_process())
    }

    fn refusal(token: &ResumeToken, own: &ReadIdentity) -> Option<String> {
        let refused = token.check(own, &Signer::of_this_process());
        refused.err().map(|error| error.to_string())
    }

    #[test]
    fn a_token_of_another_read_says_in_what_it_differs() {
        let (paging, envelope) = (Paging::page_number(), Envelope::default());
        let sized = Paging::page_number().page_size("n", 5);
        for (endpoint, paging, envelope, what) in [
            ("/rows?a=1", &paging, &envelope, None),
            ("/rows?a=2", &paging, &envelope, Some("another endpoint")),
            ("/rows", &paging, &envelope, Some("another endpoint")),
            ("/rows?a=1", &sized, &envelope, Some("another paging")),
            ("/rows?a=1", &paging, &Envelope::items_at("x"), Some("another envelope")),
            ("/x", &sized, &envelope, Some("another endpoint and another paging")),
        ] {
            let own = ReadIdentity::of(endpoint, paging, envelope);
            let error = refusal(&token(), &own);
            assert_eq!(error.is_some(), what.is_some());
            assert!(error.unwrap_or_default().ends_with(what.unwrap_or_default()), "{what:?}");
        }
        let mut elder = token();
        elder.identity.release = "0.1.0".into();
        let elder = ResumeToken::signed(elder.position, elder.identity, &Signer::of_this_process());
        assert_eq!(refusal(&elder, &token().identity), None);
        let own = ReadIdentity::of("/x", &paging, &envelope);
        assert!(refusal(&elder, &own).unwrap().contains("0.1.0"));
    }

    #[test]
    fn security_02_whatever_is_changed_in_a_token_its_signature_is_of_another_one() {
        let own = token().identity;
        let moved = |change: fn(&mut Position)| {
            let mut token = token();
            change(&mut token.position);
            token
        };
        for forged in [
            moved(|position| position.taken += 1),
            moved(|position| position.index = 4),
            moved(|position| position.full = u64::MAX),
            moved(|position| position.rows = 0),
            moved(|position| position.address = None),
            moved(|position| position.address = Some(PageAddress::Page(4))),
            ResumeToken { signature: String::new(), ..token() },
            ResumeToken { signature: "AAAA".into(), ..token() },
            ResumeToken::signed(token().position, own.clone(), &Signer::new(&[1; 32]).unwrap()),
        ] {
            let kept = forged.to_text().parse::<ResumeToken>().unwrap();
            assert!(refusal(&kept, &own).unwrap().contains("not signed with the key"));
        }
        assert_eq!(refusal(&token().to_text().parse().unwrap(), &own), None);
    }

    #[test]
    fn a_place_further_on_is_known_where_pages_are_counted() {
        let (key, of) = ([7; 32], token().identity);
        let at = |address: PageAddress, full| {
            let at = Position { index: 1, full, ..Position::at(address, 100) };
            ResumeToken::signed(at, of.clone(), &Signer::of_this_process()).ahead(9, &key)
        };
        let page = at(PageAddress::Page(1), 100).unwrap();
        assert_eq!((page.position.index, page.position.rows), (10, 1_000));
        assert_eq!(page.position.address, Some(PageAddress::Page(10)));
        assert!(page.check(&of, &Signer::new(&key).unwrap()).is_ok());
        let offset = at(PageAddress::Offset(100), 100).unwrap();
        assert_eq!(offset.position.address, Some(PageAddress::Offset(1_000)));
        let whole = Position { taken: 100, full: 100, ..Position::at(PageAddress::Page(0), 0) };
        for (taken, rows) in [(0, Some(900)), (50, None), (100, Some(1_000))] {
            let at = Position { taken, ..whole.clone() };
            let at = ResumeToken::signed(at, of.clone(), &Signer::of_this_process());
            assert_eq!(at.ahead(9, &key).map(|ahead| ahead.position.rows), rows);
        }
        assert_eq!(at(PageAddress::Page(1), 0), None);
        assert_eq!(at(PageAddress::Cursor("c".into()), 100), None);
        assert_eq!(at(PageAddress::Offset(u64::MAX), 100), None);
    }

    #[test]
    fn a_token_of_another_version_is_refused_and_named() {
        let refusal = |bytes: &[u8]| {
            let text = URL_SAFE_NO_PAD.encode(bytes);
            text.parse::<ResumeToken>().unwrap_err().to_string()
        };
        let mut bytes = URL_SAFE_NO_PAD.decode(token().to_text()).unwrap();
        assert_eq!(token().to_text().parse::<ResumeToken>().unwrap(), token());
        bytes[0] = 7;
        assert!(refusal(&bytes).contains("version 7, not of 1"));
        let elder = serde_json::to_vec(&token().position).unwrap();
        assert!(refusal(&elder).contains("before 1"));
        for nonsense in [&b""[..], b"{}", b"\x01", b"\x01{}", b"x"] {
            assert!(refusal(nonsense).contains("not a resume token"), "{nonsense:?}");
        }
    }

    #[test]
    fn a_hash_is_the_same_in_every_process() {
        assert_eq!(hash("foobar"), "w6uP8Tcg6K2QR905Rms8iQ");
    }
}
