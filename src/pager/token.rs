//! [pure] Where a read stands, as a value that outlives it.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use super::strategy::{Address, Paging, Start};
use crate::error::{Error, ErrorKind};

/// No set has more pages.
const MAX_INDEX: u64 = 1 << 48;

/// Where a read stands: at a page, and how many of its items were taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// Which page it is, from 0.
    pub(super) index: u64,
    /// Where it is; `None` after the last page.
    pub(super) address: Option<Address>,
    pub(super) taken: u64,
    /// How many items a full page has; 0 where that is not known.
    pub(super) full: u64,
    /// How many rows of the set lie before the page.
    pub(super) rows: u64,
}

impl Position {
    pub(super) fn of(Start { index, address, full, rows }: Start) -> Self {
        Self { index, address: Some(address), taken: 0, full, rows }
    }

    /// Moves to the start of another page, or to the end.
    pub(super) fn go_to(&mut self, index: u64, address: Option<Address>, rows: u64) {
        (self.index, self.address, self.taken, self.rows) = (index, address, 0, rows);
    }

    /// The page where a read by `paging` goes on; `None` at the end.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for a position that such a read cannot be at.
    pub(super) fn start(&self, paging: &Paging) -> Result<Option<Start>, Error> {
        let Some(address) = self.address.clone() else { return Ok(None) };
        if self.index > MAX_INDEX || !paging.leads_to(&address) {
            let what = "resume_from: the token is of a read with another paging";
            return Err(Error::new(ErrorKind::Config, what));
        }
        Ok(Some(Start { index: self.index, address, full: self.full, rows: self.rows }))
    }
}

/// Where a [`PaginatedStream`](crate::PaginatedStream) stands, for another one that goes on
/// there, perhaps in another process.
///
/// It is kept by serde or as text. It holds what leads to the page: its number, its first
/// row, a cursor or a URL. These may hold credentials, so `Debug` does not show them and there
/// is no `Display`; where a token is kept, they are kept.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ResumeToken(pub(super) Position);

impl ResumeToken {
    /// The token as one word of letters, digits, `-` and `_`.
    #[must_use]
    pub fn to_text(&self) -> String {
        // A value of numbers and text always serializes.
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&self.0).unwrap_or_default())
    }

    /// Whether the read has ended.
    #[must_use]
    pub fn is_end(&self) -> bool {
        self.0.address.is_none()
    }
}

impl FromStr for ResumeToken {
    type Err = Error;

    /// # Errors
    /// [`ErrorKind::Config`] for anything but what [`to_text`](Self::to_text) has made.
    fn from_str(text: &str) -> Result<Self, Error> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok();
        let position = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let invalid = || Error::new(ErrorKind::Config, "the text is no resume token");
        position.map(Self).ok_or_else(invalid)
    }
}

impl fmt::Debug for ResumeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResumeToken")
            .field("page", &self.0.index)
            .field("taken", &self.0.taken)
            .field("is_end", &self.is_end())
            .finish_non_exhaustive()
    }
}
