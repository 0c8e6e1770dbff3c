//! [pure] Where an endpoint has permanently moved to.

use super::Endpoint;
use crate::{base_url::BaseUrl, response::Response};

impl Endpoint {
    /// Sends requests for later pages to where a permanent redirect of this one led (RFC 9110
    /// section 15.4.9), if it changed only the path.
    pub(super) fn follow_move(
        &self,
        base: &BaseUrl,
        asked: &str,
        response: &Response,
    ) -> Option<()> {
        let asked = base.join(asked).ok()?;
        let endpoint = base.join(self.path()).ok()?;
        let url = response.url().filter(|url| url.query() == asked.query())?;
        if asked.path() != endpoint.path() {
            return None;
        }
        let query = endpoint.query().map(|query| format!("?{query}")).unwrap_or_default();
        self.moved.set(format!("{}{}{query}", base.origin(), url.path())).ok()
    }

    /// Sends requests to where another endpoint, which is this one but for its query, has moved.
    pub(in crate::pager) fn learn_move(&self, other: &Self) {
        let Some(moved) = other.moved.get() else { return };
        let path = moved.split('?').next().unwrap_or_default();
        let query = self.path.split_once('?').map(|(_, query)| format!("?{query}"));
        let _ = self.moved.set(format!("{path}{}", query.unwrap_or_default()));
    }

    pub(in crate::pager) fn path(&self) -> &str {
        self.moved.get().unwrap_or(&self.path)
    }
}
