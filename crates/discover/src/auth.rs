//! [pure] How a draft authenticates: by variables of the environment, never by a secret itself.

use crate::yaml::text;

/// How requests are authenticated. Each value is the name of a variable of the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Auth {
    /// A bearer token.
    Bearer(String),
    /// A user name and a password.
    Basic(String, String),
    /// A key in the header of this name, after a prefix.
    Header {
        /// The name of the header.
        name: String,
        /// What stands before the key.
        prefix: String,
        /// The variable.
        variable: String,
    },
    /// A key in this parameter of the query.
    Query {
        /// The name of the parameter.
        name: String,
        /// The variable.
        variable: String,
    },
    /// A key in this cookie.
    Cookie {
        /// The name of the cookie.
        name: String,
        /// The variable.
        variable: String,
    },
    /// OAuth 2.0 by the client's own credentials, at this URL. The variables are `CLIENT_ID` and
    /// `CLIENT_SECRET`.
    OAuth2 {
        /// The token endpoint.
        token_url: String,
        /// The scopes.
        scopes: Vec<String>,
    },
}

impl Auth {
    /// The value of `auth` in a description, on one line.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let variable = |name: &String| format!("\"${{{name}}}\"");
        match self {
            Self::Bearer(name) => format!("{{ bearer: {} }}", variable(name)),
            Self::Basic(user, password) => {
                let (user, password) = (variable(user), variable(password));
                format!("{{ basic: {{ user: {user}, password: {password} }} }}")
            }
            Self::Header { name, prefix, variable: value } => {
                let prefix = match prefix.as_str() {
                    "" => String::new(),
                    prefix => format!(", prefix: {}", text(prefix)),
                };
                let (name, value) = (text(name), variable(value));
                format!("{{ header: {{ name: {name}, value: {value}{prefix} }} }}")
            }
            Self::Query { name, variable: value } => {
                format!("{{ query: {{ name: {}, value: {} }} }}", text(name), variable(value))
            }
            Self::Cookie { name, variable: value } => {
                format!("{{ cookie: {{ name: {}, value: {} }} }}", text(name), variable(value))
            }
            Self::OAuth2 { token_url, scopes } => {
                let scopes: Vec<_> = scopes.iter().map(|scope| text(scope)).collect();
                let scopes = match scopes.is_empty() {
                    true => String::new(),
                    false => format!(", scopes: [{}]", scopes.join(", ")),
                };
                format!(
                    "{{ oauth2: {{ token_url: {}, client_id: \"${{CLIENT_ID}}\", client_secret: \
                     \"${{CLIENT_SECRET}}\"{scopes} }} }}",
                    text(token_url)
                )
            }
        }
    }
}
