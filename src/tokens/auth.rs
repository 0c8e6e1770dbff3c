//! Makes credentials of how a pool signs in as data says.

use http::{HeaderMap, HeaderName, HeaderValue};

#[cfg(feature = "oauth2")]
use super::ClientCredentials;
use super::{Credentials, EnvTokens, FileTokens, StaticTokens, bearer, bearer::put};
use crate::{
    config::{Auth, PoolConfig, Secrets},
    error::Error,
    pool::PoolBuilder,
    request::Request,
    transport::check_headers,
};

impl PoolConfig {
    /// A builder with these settings, to set the rest by code.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for an `auth` that cannot be used, naming
    /// why.
    pub fn builder(mut self) -> Result<PoolBuilder, Error> {
        if let Some(auth) = self.auth.take() {
            self.credentials = Some(credentials(auth)?);
        }
        Ok(PoolBuilder { config: self })
    }
}

fn credentials(auth: Auth) -> Result<Credentials, Error> {
    match auth {
        Auth::Bearer(secrets) => Ok(from_secrets(secrets, bearer)),
        Auth::Basic { user, password } => {
            if user.contains(':') {
                return Err(Error::config("auth: basic: the user name must not hold a colon"));
            }
            Ok(from_secrets(password, move |request: Request, password: &str| {
                request.basic_auth(&user, password)
            }))
        }
        Auth::Header { name, value } => {
            let illegal = || Error::config("auth: header: has a name that is no header to set");
            let name: HeaderName = name.parse().map_err(|_| illegal())?;
            let probe = HeaderMap::from_iter([(name.clone(), HeaderValue::from_static("x"))]);
            check_headers(&probe).map_err(|error| illegal().with_source(error))?;
            Ok(from_secrets(value, move |request, token: &str| put(request, &name, token)))
        }
        Auth::Query { name, value } => {
            if name.is_empty() {
                return Err(Error::config("auth: query: the name is empty"));
            }
            Ok(from_secrets(value, move |request: Request, token: &str| {
                request.query(&[(&name, token)])
            }))
        }
        #[cfg(feature = "oauth2")]
        Auth::OAuth2 {
            token_url,
            client_id,
            client_secret,
            scopes,
            params,
            credentials_in_body,
        } => {
            let source = ClientCredentials::new(token_url, client_id, client_secret);
            let source = scopes.into_iter().fold(source, ClientCredentials::scope);
            let with = |source: ClientCredentials, (name, value)| source.param(name, value);
            let source = params.into_iter().fold(source, with);
            let source = if credentials_in_body { source.credentials_in_body() } else { source };
            Ok(Credentials::from_source(1, source, bearer))
        }
        #[cfg(not(feature = "oauth2"))]
        Auth::OAuth2 { .. } => Err(Error::config("auth: oauth2 needs the feature `oauth2`")),
    }
}

fn from_secrets<P, R>(secrets: Secrets, apply: P) -> Credentials
where
    P: Fn(Request, &str) -> R + Send + Sync + 'static,
    R: Into<Result<Request, Error>>,
{
    match secrets {
        Secrets::Fixed(texts) => {
            let tokens: Vec<String> = texts.into_iter().collect();
            Credentials::from_source(tokens.len(), StaticTokens::new(tokens), apply)
        }
        Secrets::Env { env } => {
            let names: Vec<String> = env.into_iter().collect();
            Credentials::from_source(names.len(), EnvTokens::new(names), apply)
        }
        Secrets::File { file, reread_every } => {
            let files: Vec<_> = file.into_iter().collect();
            let (count, source) = (files.len(), FileTokens::new(files));
            let source = match reread_every {
                Some(time) => source.reread_every(time),
                None => source,
            };
            Credentials::from_source(count, source, apply)
        }
    }
}
