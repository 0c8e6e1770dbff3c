//! A client of an OAuth 2.0 token endpoint (RFC 6749): what its grants have in common. The `oauth2`
//! crate makes the request, and `grant` parses the response.

use std::{fmt, future::ready};

use oauth2::{
    AuthType, ClientId, ClientSecret, HttpRequest, HttpResponse, RefreshToken, RequestTokenError,
    Scope, TokenUrl, basic::BasicClient,
};
use secrecy::{ExposeSecret, SecretString};

use super::{
    endpoint::Endpoint,
    grant::{self, Granted},
};
use crate::{
    error::{Error, ErrorKind},
    request::Request,
    response::Response,
};

/// A client, and how it asks for tokens.
#[derive(Clone)]
pub(super) struct OAuthClient {
    pub(super) endpoint: Endpoint,
    pub(super) id: String,
    /// A public client has none.
    secret: Option<SecretString>,
    pub(super) scopes: Vec<String>,
    pub(super) params: Vec<(String, String)>,
    auth_type: AuthType,
}

impl OAuthClient {
    pub(super) fn new(endpoint: Endpoint, id: String, secret: String) -> Self {
        let secret = Some(secret).filter(|secret| !secret.is_empty()).map(SecretString::from);
        // What identifies a client without a secret is a parameter (RFC 6749 section 3.2.1).
        let auth_type = if secret.is_some() { AuthType::BasicAuth } else { AuthType::RequestBody };
        Self { endpoint, id, secret, scopes: Vec::new(), params: Vec::new(), auth_type }
    }

    pub(super) fn put_credentials_in_body(&mut self) {
        self.auth_type = AuthType::RequestBody;
    }

    /// Asks for a token, by a refresh token or else by the client's own credentials.
    ///
    /// # Errors
    /// [`ErrorKind::Token`] without one.
    pub(super) async fn ask(&self, refresh_token: Option<&SecretString>) -> Result<Granted, Error> {
        let url = TokenUrl::new(self.endpoint.url.clone())
            .map_err(|_| Error::config("the token URL is not a URL"))?;
        let client = BasicClient::new(ClientId::new(self.id.clone()))
            .set_auth_type(self.auth_type.clone())
            .set_token_uri(url);
        let client = match &self.secret {
            Some(secret) => {
                client.set_client_secret(ClientSecret::new(secret.expose_secret().into()))
            }
            None => client,
        };
        // The crate would refuse a response over fields the token does not need, so it only makes
        // the request.
        let made = |request| ready(Err::<HttpResponse, _>(Made(request)));
        macro_rules! exchange {
            ($exchange:expr) => {{
                let scopes = self.scopes.iter();
                let exchange =
                    scopes.fold($exchange, |e, scope| e.add_scope(Scope::new(scope.clone())));
                let params = self.params.iter();
                let exchange =
                    params.fold(exchange, |e, (name, value)| e.add_extra_param(name, value));
                exchange.request_async(&made).await
            }};
        }
        let exchanged = match refresh_token {
            Some(token) => {
                let token = RefreshToken::new(token.expose_secret().into());
                exchange!(client.exchange_refresh_token(&token))
            }
            None => exchange!(client.exchange_client_credentials()),
        };
        match exchanged {
            Err(RequestTokenError::Request(Made(request))) => {
                grant::granted(&self.send(request).await?)
            }
            _ => {
                let what = "the request for a token could not be made";
                Err(Error::new(ErrorKind::Token, what))
            }
        }
    }

    /// Sends a request of the protocol, and returns any response that the protocol defines.
    async fn send(&self, request: HttpRequest) -> Result<Response, Error> {
        let (parts, body) = request.into_parts();
        let mut outgoing = Request::new(parts.method, &self.endpoint.url).body(body);
        *outgoing.headers_mut() = parts.headers;
        self.endpoint.send(outgoing, grant::is_refusal).await
    }
}

/// A request that was made and not sent.
#[derive(thiserror::Error)]
#[error("made")]
struct Made(HttpRequest);

/// Its headers and its body have secrets.
impl fmt::Debug for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Made")
    }
}
