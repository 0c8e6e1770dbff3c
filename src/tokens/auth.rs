//! Makes credentials of how a pool signs in as data says.

use http::{HeaderMap, HeaderName, HeaderValue, Method, header::COOKIE};

#[cfg(feature = "oauth2")]
use super::{ClientCredentials, JwtBearer, RefreshToken};
use super::{
    Credentials, EnvTokens, FileTokens, HmacSignature, StaticTokens, TimestampFormat, TokenRequest,
    TokenSource, bearer, bearer::put,
};
use crate::{
    config::{
        Auth, AwsData, Encoding, HmacData, OAuth2, PoolConfig, Secrets, TimestampData,
        TokenRequestData,
    },
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
            self.credentials = Some(credentials(auth, &self)?);
        }
        Ok(PoolBuilder { config: self })
    }
}

fn credentials(auth: Auth, config: &PoolConfig) -> Result<Credentials, Error> {
    match auth {
        Auth::Bearer(secrets) => from_secrets("bearer", secrets, config, bearer),
        Auth::OAuth2(client) => {
            from_secrets("oauth2", Secrets::OAuth2(Box::new(client)), config, bearer)
        }
        Auth::Basic { user, password } => {
            if user.contains(':') {
                return Err(illegal("basic", "the user name must not hold a colon"));
            }
            from_secrets("basic", password, config, move |request: Request, password: &str| {
                request.basic_auth(&user, password)
            })
        }
        Auth::Header { name, value, prefix } => {
            let illegal = || illegal("header", "has a name or a prefix that no header may have");
            let name: HeaderName = name.parse().map_err(|_| illegal())?;
            let probe = HeaderValue::try_from(format!("{prefix}x")).map_err(|_| illegal())?;
            let probe = HeaderMap::from_iter([(name.clone(), probe)]);
            check_headers(&probe).map_err(|error| illegal().with_source(error))?;
            from_secrets("header", value, config, move |request, token: &str| {
                put(request, &name, &format!("{prefix}{token}"))
            })
        }
        Auth::Query { name, value } => {
            if name.is_empty() {
                return Err(illegal("query", "the name is empty"));
            }
            from_secrets("query", value, config, move |request: Request, token: &str| {
                request.query(&[(&name, token)])
            })
        }
        Auth::Cookie { name, value } => {
            // The characters of a token (RFC 9110 section 5.6.2), of which header names consist too.
            if name.parse::<HeaderName>().is_err() {
                return Err(illegal("cookie", "has a name that no cookie may have"));
            }
            let has_cookies = |(name, _): &(String, String)| name.eq_ignore_ascii_case("cookie");
            if config.default_headers.iter().any(has_cookies) {
                return Err(illegal("cookie", "contradicts the cookie in default_headers"));
            }
            from_secrets("cookie", value, config, move |request: Request, token: &str| {
                let own = format!("{name}={token}");
                let others = request.headers().get(COOKIE).and_then(|value| value.to_str().ok());
                let all = others.map(|others| format!("{others}; {own}")).unwrap_or(own);
                put(request, &COOKIE, &all)
            })
        }
        Auth::Hmac(data) => {
            let key = data.key.clone();
            let sign = hmac(*data).and_then(|signature| signature.for_api(&config.base_url));
            from_secrets("hmac", key, config, sign.map_err(|error| named("hmac", &error))?)
        }
        Auth::Aws(data) => aws(data, config),
    }
}

/// # Errors
/// [`ErrorKind::Config`](crate::ErrorKind::Config) for an encoding that bytes cannot have.
fn hmac(data: HmacData) -> Result<HmacSignature, Error> {
    let mut signature = HmacSignature::new(data.message).timestamp(match data.timestamp {
        TimestampData::Seconds => TimestampFormat::Seconds,
        TimestampData::Milliseconds => TimestampFormat::Milliseconds,
        TimestampData::Rfc3339 => TimestampFormat::Rfc3339,
        TimestampData::Http => TimestampFormat::Http,
    });
    signature = match data.key_encoding {
        Encoding::Text => signature,
        Encoding::Hex => signature.key_in_hex(),
        Encoding::Base64 => signature.key_in_base64(),
    };
    signature = match data.signature_encoding {
        None | Some(Encoding::Hex) => signature,
        Some(Encoding::Base64) => signature.signature_in_base64(),
        Some(Encoding::Text) => {
            return Err(Error::config("signature_encoding: is `hex` or `base64`"));
        }
    };
    if let Some(name) = data.algorithm {
        signature = signature.algorithm(name);
    }
    let headers = data.headers.into_iter();
    let signature = headers.fold(signature, |it, (name, value)| it.header(name, value));
    let query = data.query.into_iter();
    Ok(query.fold(signature, |it, (name, value)| it.query(name, value)))
}

#[cfg(feature = "sigv4")]
fn aws(data: AwsData, config: &PoolConfig) -> Result<Credentials, Error> {
    let signature = super::AwsSignature::new(data.access_key_id, data.region, data.service);
    let signature = match data.session_token {
        Some(token) => signature.session_token(token),
        None => signature,
    };
    let sign = signature.for_api(&config.base_url).map_err(|error| named("aws", &error))?;
    from_secrets("aws", data.secret_access_key, config, sign)
}

#[cfg(not(feature = "sigv4"))]
fn aws(_: AwsData, _: &PoolConfig) -> Result<Credentials, Error> {
    Err(illegal("aws", "needs the feature `sigv4`"))
}

/// # Errors
/// [`ErrorKind::Config`](crate::ErrorKind::Config) for a source that cannot be made, naming the
/// `scheme`.
fn from_secrets<P, R>(
    scheme: &str,
    secrets: Secrets,
    config: &PoolConfig,
    apply: P,
) -> Result<Credentials, Error>
where
    P: Fn(Request, &str) -> R + Send + Sync + 'static,
    R: Into<Result<Request, Error>>,
{
    let illegal = |what| illegal(scheme, what);
    match secrets {
        Secrets::Fixed(texts) => {
            let tokens: Vec<String> = texts.into_iter().collect();
            Ok(Credentials::from_source(tokens.len(), StaticTokens::new(tokens), apply))
        }
        Secrets::Env(env) => {
            let names: Vec<String> = env.into_iter().collect();
            Ok(Credentials::from_source(names.len(), EnvTokens::new(names), apply))
        }
        Secrets::File { file, reread_every } => {
            let files: Vec<_> = file.into_iter().collect();
            let (count, source) = (files.len(), FileTokens::new(files));
            let source = match reread_every {
                Some(time) => source.reread_every(time),
                None => source,
            };
            Ok(Credentials::from_source(count, source, apply))
        }
        Secrets::TokenRequest(data) => {
            let source = token_request(*data).map_err(illegal)?.reached_as(config);
            checked(scheme, source, apply)
        }
        Secrets::OAuth2(client) => oauth2(scheme, *client, config, apply),
    }
}

/// # Errors
/// What is wrong.
fn token_request(data: TokenRequestData) -> Result<TokenRequest, &'static str> {
    let method = data.method.as_deref().unwrap_or("POST").to_ascii_uppercase();
    let method = method.parse::<Method>().map_err(|_| "token_request: unknown method")?;
    let mut source = TokenRequest::new(method, data.url);
    for (name, value) in &data.headers {
        source = source.header(name, value);
    }
    if let Some(basic) = &data.basic {
        source = source.basic_auth(&basic.user, &basic.password);
    }
    source = match (&data.json, &data.form) {
        (Some(json), None) => source.json(json),
        (None, Some(form)) => source.form(form),
        (None, None) => source,
        (Some(_), Some(_)) => return Err("token_request: has either `json` or `form`"),
    };
    source = match (&data.token, &data.token_header, &data.token_cookie) {
        (None, None, None) => source,
        (Some(path), None, None) if path == "." => source.token_at(""),
        (Some(path), None, None) => source.token_at(path),
        (None, Some(name), None) => source.token_in_header(name),
        (None, None, Some(name)) => source.token_in_cookie(name),
        _ => return Err("token_request: has one of `token`, `token_header` and `token_cookie`"),
    };
    if let Some(path) = &data.expires {
        source = source.expires_at(path);
    }
    Ok(match data.lifetime {
        Some(lifetime) => source.lifetime(lifetime),
        None => source,
    })
}

/// The credentials of one token from `source`.
///
/// # Errors
/// [`ErrorKind::Config`](crate::ErrorKind::Config) if it can serve none.
fn checked<P, R>(scheme: &str, source: impl TokenSource, apply: P) -> Result<Credentials, Error>
where
    P: Fn(Request, &str) -> R + Send + Sync + 'static,
    R: Into<Result<Request, Error>>,
{
    source.validate(1).map_err(|error| named(scheme, &error))?;
    Ok(Credentials::from_source(1, source, apply))
}

/// The same error, with its scheme named.
fn named(scheme: &str, error: &Error) -> Error {
    let what = error.to_string();
    illegal(scheme, what.strip_prefix("config: ").unwrap_or(&what))
}

fn illegal(scheme: &str, what: &str) -> Error {
    Error::config(format!("auth: {scheme}: {what}"))
}

#[cfg(feature = "oauth2")]
fn oauth2<P, R>(
    scheme: &str,
    client: OAuth2,
    config: &PoolConfig,
    apply: P,
) -> Result<Credentials, Error>
where
    P: Fn(Request, &str) -> R + Send + Sync + 'static,
    R: Into<Result<Request, Error>>,
{
    let OAuth2 { token_url, client_id, client_secret, .. } = client;
    macro_rules! set {
        ($source:expr) => {{
            let source = client.scopes.into_iter().fold($source, |source, s| source.scope(s));
            let params = client.params.into_iter();
            let source = params.fold(source, |source, (name, value)| source.param(name, value));
            let source =
                if client.credentials_in_body { source.credentials_in_body() } else { source };
            checked(scheme, source.reached_as(config), apply)
        }};
    }
    if let Some(jwt) = client.jwt {
        if client.refresh_token.is_some()
            || client.keep_in.is_some()
            || !client_secret.is_empty()
            || client.credentials_in_body
        {
            let what = "`jwt` stands beside `token_url`, `client_id`, `scopes` and `params` alone";
            return Err(illegal(scheme, what));
        }
        let source = match (jwt.key, jwt.key_file) {
            (Some(key), None) => JwtBearer::new(token_url, client_id, key),
            (None, Some(file)) => JwtBearer::with_key_file(token_url, client_id, file),
            _ => return Err(illegal(scheme, "`jwt` has either `key` or `key_file`")),
        };
        let claims = jwt.claims.into_iter();
        let source = claims.fold(source, |source, (name, value)| source.claim(name, value));
        let params = client.params.into_iter();
        let scope = (!client.scopes.is_empty()).then(|| client.scopes.join(" "));
        let params = params.chain(scope.map(|scope| ("scope".to_owned(), scope)));
        let mut source = params.fold(source, |source, (name, value)| source.param(name, value));
        if let Some(id) = jwt.key_id {
            source = source.key_id(id);
        }
        if let Some(name) = jwt.algorithm {
            source = source.algorithm(name);
        }
        if let Some(lifetime) = jwt.lifetime {
            source = source.valid_for(lifetime);
        }
        return checked(scheme, source.reached_as(config), apply);
    }
    match (client.refresh_token, client.keep_in) {
        (None, Some(_)) => {
            Err(illegal(scheme, "`keep_in` has a meaning beside `refresh_token` only"))
        }
        (None, None) if client_secret.is_empty() => {
            Err(illegal(scheme, "the key `client_secret` is missing, or `refresh_token`"))
        }
        (None, None) => set!(ClientCredentials::new(token_url, client_id, client_secret)),
        (Some(token), file) => {
            let source = RefreshToken::new(token_url, client_id, client_secret, token);
            set!(match file {
                Some(file) => source.keep_in(file),
                None => source,
            })
        }
    }
}

#[cfg(not(feature = "oauth2"))]
fn oauth2<P>(scheme: &str, _: OAuth2, _: &PoolConfig, _: P) -> Result<Credentials, Error> {
    Err(illegal(scheme, "needs the feature `oauth2`"))
}
