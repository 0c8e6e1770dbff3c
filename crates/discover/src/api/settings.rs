//! [pure] What the user knows already.

use serde_json::Value;

use crate::auth::Auth;

/// What is known before anything is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// The most requests. Two more are left for whoever reads two pages by the draft.
    pub max_requests: u32,
    /// The name of the table; by default that of the URL's last segment.
    pub table: Option<String>,
    /// Where the rows are, as a description writes it.
    pub items: Option<String>,
    /// How the API pages, as the value of `paging` in a description.
    pub paging: Option<String>,
    /// The body of the POST by which rows are asked for; by default they are asked for by a GET.
    pub body: Option<Value>,
    /// How the draft authenticates.
    pub auth: Option<Auth>,
    /// Headers that the draft sends with each request. No secrets.
    pub headers: Vec<(String, String)>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_requests: 8,
            table: None,
            items: None,
            paging: None,
            body: None,
            auth: None,
            headers: Vec::new(),
        }
    }
}

impl Settings {
    /// Names the table.
    #[must_use]
    pub fn table(mut self, name: impl Into<String>) -> Self {
        self.table = Some(name.into());
        self
    }

    /// Says where the rows are, as a description writes it: `result.rows`, or `.` for the body.
    #[must_use]
    pub fn items(mut self, path: impl Into<String>) -> Self {
        self.items = Some(path.into());
        self
    }

    /// Says how the API pages, as the value of `paging` in a description.
    #[must_use]
    pub fn paging(mut self, yaml: impl Into<String>) -> Self {
        self.paging = Some(yaml.into());
        self
    }

    /// Asks for rows by a POST with this body, as searches do. How they page is looked for in the body,
    /// in which parameters may be up to three objects deep, and in what is answered.
    #[must_use]
    pub fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// Says how the draft authenticates.
    #[must_use]
    pub fn auth(mut self, auth: Auth) -> Self {
        self.auth = Some(auth);
        self
    }

    /// Has the draft send a header with each request, which is not a secret.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}
