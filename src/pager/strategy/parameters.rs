//! [pure] What requests a page: parameters in the query or in the body, or a header; and where a
//! read begins.

use std::borrow::Cow;

use serde_json::Value;

use super::{FollowUp, Mode, PageAddress, PageRequest, Paging, body::PageBody};
use crate::{
    error::{Error, ErrorKind},
    request::{FORM, JSON},
};

impl Paging {
    /// The name of the parameter that says which page is requested, if there is one.
    pub(super) fn param(&self) -> Option<&str> {
        match &self.mode {
            Mode::Number { param, .. }
            | Mode::Offset { param }
            | Mode::Cursor { param, .. }
            | Mode::HeaderCursor { param, .. }
            | Mode::Keyset { param, .. } => Some(param),
            Mode::Range { .. }
            | Mode::NextUrl { .. }
            | Mode::HeaderUrl { .. }
            | Mode::Link {}
            | Mode::Export(_)
            | Mode::Auto {}
            | Mode::Custom(_)
            | Mode::None {} => None,
        }
    }

    /// The names of the parameters that paging sets.
    pub(crate) fn parameters(&self) -> Vec<&str> {
        self.param().into_iter().chain(self.size_param.as_deref()).collect()
    }

    /// The API's number for the page with this index; if it does not number pages, they count
    /// from 1.
    pub(crate) fn number(&self, index: u64) -> u64 {
        let first = match self.mode {
            Mode::Number { first, .. } => first.unwrap_or(1),
            _ => 1,
        };
        first.saturating_add(index)
    }

    /// The address of the first page.
    pub(crate) fn start(&self) -> PageAddress {
        match &self.mode {
            Mode::Number { .. } => PageAddress::Page(0),
            Mode::Offset { .. } | Mode::Range { .. } => PageAddress::Offset(0),
            Mode::Cursor { .. }
            | Mode::HeaderCursor { .. }
            | Mode::Keyset { .. }
            | Mode::NextUrl { .. }
            | Mode::HeaderUrl { .. }
            | Mode::Link {}
            | Mode::Export(_)
            | Mode::Auto {}
            | Mode::Custom(_)
            | Mode::None {} => PageAddress::Start,
        }
    }

    /// Whether a read by this paging can get to such an address.
    pub(in crate::pager) fn leads_to(&self, address: &PageAddress) -> bool {
        if *address == PageAddress::Start {
            return !self.is_addressable();
        }
        match &self.mode {
            Mode::Number { .. } => matches!(address, PageAddress::Page(_)),
            Mode::Offset { .. } | Mode::Range { .. } => matches!(address, PageAddress::Offset(_)),
            Mode::Cursor { .. } | Mode::HeaderCursor { .. } => {
                matches!(address, PageAddress::Cursor(_))
            }
            Mode::Keyset { inclusive: false, .. } => matches!(address, PageAddress::Cursor(_)),
            Mode::Keyset { inclusive: true, .. } => matches!(address, PageAddress::After { .. }),
            Mode::NextUrl { .. } | Mode::HeaderUrl { .. } | Mode::Link {} => {
                matches!(address, PageAddress::Url(_) | PageAddress::Untrusted(_))
            }
            Mode::Export(_) => matches!(address, PageAddress::Results { .. }),
            Mode::Custom(_) => {
                matches!(address, PageAddress::Custom(_) | PageAddress::Untrusted(_))
            }
            Mode::Auto {} | Mode::None {} => false,
        }
    }

    /// What a custom strategy requests first.
    ///
    /// # Errors
    /// [`ErrorKind::Callback`](crate::ErrorKind::Callback) when it panics.
    pub(in crate::pager) fn first_request(&self) -> Result<Option<PageRequest>, Error> {
        let Mode::Custom(custom) = &self.mode else { return Ok(None) };
        custom.first().map(Some)
    }

    /// The query parameters that request a page, with another size if `size` is given.
    pub(crate) fn query<'a>(
        &'a self,
        address: &'a PageAddress,
        size: Option<u64>,
    ) -> Vec<(&'a str, Cow<'a, str>)> {
        if self.post.is_some() {
            return Vec::new();
        }
        let value = match address {
            PageAddress::Page(index) => Some(self.number(*index).to_string().into()),
            PageAddress::Offset(row) => Some(row.to_string().into()),
            PageAddress::Cursor(value) | PageAddress::After { value, .. } => Some(value.into()),
            PageAddress::Start
            | PageAddress::Url(_)
            | PageAddress::Untrusted(_)
            | PageAddress::Results { .. }
            | PageAddress::Custom(_) => None,
        };
        let place = self.param().zip(value).filter(|_| self.leads_to(address));
        let own = self.asked_size(address, size);
        let own = own.map(|(name, size)| (name, size.to_string().into()));
        place.into_iter().chain(own).collect()
    }

    /// The names of the parameters that the body takes out of the query of the endpoint, if pages
    /// are requested by a body.
    pub(crate) fn taken_into_body(&self) -> Option<Vec<&str>> {
        self.post.as_ref().map(PageBody::placeholders)
    }

    /// The body that requests a page, with these parameters from the query of the endpoint, and its
    /// content type.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if it has no place for a parameter, [`ErrorKind::InvalidRequest`] if
    /// nothing fills one of its placeholders.
    pub(in crate::pager) fn body(
        &self,
        address: &PageAddress,
        size: Option<u64>,
        taken: &[(String, String)],
    ) -> Result<(String, &'static str), Error> {
        let empty = PageBody(Value::Null);
        let body = self.post.as_ref().unwrap_or(&empty);
        let value = match address {
            PageAddress::Page(index) => Some(self.number(*index).into()),
            PageAddress::Offset(row) => Some((*row).into()),
            PageAddress::Cursor(value) | PageAddress::After { value, .. } => Some(in_body(value)?),
            _ => None,
        };
        let place = self.param().zip(value).filter(|_| self.leads_to(address));
        let own = self.asked_size(address, size).map(|(name, size)| (name, size.into()));
        let values: Vec<_> = place.into_iter().chain(own).collect();
        // What the API says is not a placeholder, whatever it looks like.
        let cleared = values.iter().map(|(place, _)| (*place, Value::Null));
        let body = body.with(cleared).map_err(no_place)?;
        let unfilled = |what| Error::new(ErrorKind::InvalidRequest, format!("post: {what}"));
        let body = body.filled(taken).map_err(unfilled)?;
        self.written(&body.with(values).map_err(no_place)?)
    }

    /// The body of a follow-up request with this cursor and its content type, or the parameter of its
    /// query.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the body has no place for the cursor.
    pub(in crate::pager) fn followed_up<'a>(
        &'a self,
        follow_up: &FollowUp,
        cursor: &'a str,
    ) -> Result<FollowUpPart<'a>, Error> {
        let place = self.param().unwrap_or_default();
        match follow_up.body() {
            Some(body) => self.with_cursor(body, cursor).map(FollowUpPart::Body),
            None => Ok(FollowUpPart::Query(place, cursor)),
        }
    }

    /// The same for the request that gives up the cursor: it has nothing else.
    ///
    /// # Errors
    /// As for a follow-up request.
    pub(in crate::pager) fn closing<'a>(
        &'a self,
        follow_up: &FollowUp,
        cursor: &'a str,
    ) -> Result<FollowUpPart<'a>, Error> {
        match follow_up.body() {
            Some(_) => self.with_cursor(&PageBody(Value::Null), cursor).map(FollowUpPart::Body),
            None => self.followed_up(follow_up, cursor),
        }
    }

    fn with_cursor(&self, body: &PageBody, cursor: &str) -> Result<(String, &'static str), Error> {
        let place = self.param().unwrap_or_default();
        let body = body.with([(place, in_body(cursor)?)]).map_err(no_place)?;
        self.written(&body)
    }

    /// A body as it is sent, and its content type.
    fn written(&self, body: &PageBody) -> Result<(String, &'static str), Error> {
        match self.as_form {
            true => Ok((body.form().ok_or_else(no_form)?, FORM)),
            false => Ok((body.0.to_string(), JSON)),
        }
    }

    /// Checks whether the body has a place for each parameter.
    ///
    /// # Errors
    /// [`ErrorKind::Config`], naming the parameter.
    pub(super) fn check_places(&self) -> Result<(), Error> {
        let own = self.follow_up.as_ref().and_then(FollowUp::body);
        if let (Some(body), Some(place)) = (own, self.param()) {
            let body = body.with([(place, 0.into())]).map_err(no_place)?;
            if self.as_form && body.form().is_none() {
                return Err(no_form());
            }
        }
        let Some(body) = &self.post else {
            return match self.as_form {
                true => Err(Error::config("as_form: has a meaning beside `post` only")),
                false => Ok(()),
            };
        };
        let places = self.parameters().into_iter().map(|place| (place, 0.into()));
        let body = body.with(places).map_err(no_place)?;
        if self.as_form && body.form().is_none() {
            return Err(no_form());
        }
        Ok(())
    }

    /// The `Range` header that requests a page, if there is one.
    pub(in crate::pager) fn range_header(
        &self,
        address: &PageAddress,
        size: Option<u64>,
    ) -> Option<String> {
        let (Mode::Range { unit }, PageAddress::Offset(row)) = (&self.mode, address) else {
            return None;
        };
        let size = self.below_the_cap(address, size.or(self.size)?);
        let last = row.saturating_add(size).saturating_sub(1);
        Some(format!("{unit}={row}-{last}"))
    }

    /// The parameter of the size, and the size that it asks for.
    fn asked_size(&self, address: &PageAddress, size: Option<u64>) -> Option<(&str, u64)> {
        let own = self.size_param.as_deref().zip(self.size).filter(|_| self.is_paged());
        own.map(|(name, own)| (name, self.below_the_cap(address, size.unwrap_or(own))))
    }

    /// How many of `size` rows from `address` on are below the API's row cap. A request that
    /// reaches beyond it is refused as a whole.
    fn below_the_cap(&self, address: &PageAddress, size: u64) -> u64 {
        match (self.ends.row_cap, address) {
            (Some(cap), PageAddress::Offset(row)) => size.min(cap.saturating_sub(*row)).max(1),
            _ => size,
        }
    }
}

/// Where a follow-up request has the cursor.
pub(in crate::pager) enum FollowUpPart<'a> {
    /// In this body of this type.
    Body((String, &'static str)),
    /// In this parameter.
    Query(&'a str, &'a str),
}

/// What names the next page, as it is sent in a body.
fn in_body(value: &str) -> Result<Value, Error> {
    let what = "what names the next page cannot be sent in a body";
    let value = serde_json::from_str::<Value>(value);
    value.map_err(|source| Error::new(ErrorKind::Decode, what).with_source(source))
}

fn no_form() -> Error {
    Error::config("as_form: the fields of a form are texts, numbers, flags, or lists of them")
}

fn no_place(place: &str) -> Error {
    Error::config(format!("post: the body has no place for a parameter at `{place}`"))
}
