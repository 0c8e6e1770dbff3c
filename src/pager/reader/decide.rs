//! Decides by the first page how an API pages.

use std::sync::Arc;

use url::form_urlencoded;

use crate::{
    dispatch::Connected,
    error::{Error, ErrorKind},
    pager::{
        endpoint::Endpoint,
        judge::ignored,
        strategy::{FirstPage, Position},
    },
};

/// Sets the paging of an endpoint to what its first page shows, or to what was decided before, and
/// returns what to tell of it.
///
/// # Errors
/// What the request fails with, or [`ErrorKind::PaginationMissing`] if the page leaves a doubt.
pub(super) async fn decide(
    connected: &Arc<Connected>,
    endpoint: &mut Endpoint,
    position: &mut Position,
) -> Result<Option<String>, Error> {
    if let Some(decided) = &position.decided {
        endpoint.paging = (**decided).clone();
        position.check(&endpoint.paging)?;
        return Ok(None);
    }
    if position.address.is_none() {
        return Ok(None);
    }
    let looking = Arc::new(endpoint.clone());
    let page = looking.fetch(&connected.caller, 0, looking.paging.start(), None).await;
    let page = match page {
        // An empty set is read whole.
        Err(error) if error.is_ignored() => {
            position.address = None;
            return Ok(Some(ignored(&error)));
        }
        page => page?,
    };
    let Some(scan) = &page.scan else { return Ok(None) };
    let query = looking.path().split_once('?').map_or("", |(_, query)| query);
    let seen = FirstPage {
        json: &scan.without_items(),
        headers: page.response.headers(),
        rows: scan.items,
        info: &scan.info,
        query: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
    };
    let (paging, told) = endpoint.paging.decided_from(&seen).map_err(|what| {
        let what = format!("paging `auto`: {what}");
        Error::new(ErrorKind::PaginationMissing, what).with_response(page.response.clone())
    })?;
    position.address = Some(paging.start());
    position.decided = Some(Box::new(paging.clone()));
    endpoint.paging = paging;
    Ok(Some(told))
}
