//! Signs each request for AWS by Signature Version 4. The crate `aws-sigv4` computes the signature.

use std::{borrow::Cow, fmt, sync::Arc, time::SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
        UriPathNormalizationMode, sign,
    },
    sign::v4::SigningParams,
};
use http::{HeaderMap, HeaderName};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};

use super::url_of;
use crate::{
    base_url::BaseUrl,
    error::{Error, ErrorKind},
    header_value::header_text,
    request::Request,
    tokens::bearer::put,
};

/// What is encoded in a query.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Signs each request for AWS by Signature Version 4: the token is the secret access key, which is
/// never sent. Needs the feature `sigv4`.
///
/// The method, the URL, the request's own headers, the body and the time are signed; headers that
/// the pool sends by default are not. The query is sent in the form that is signed. Each attempt is signed anew, also after a redirect.
///
/// ```
/// use vantage_api_pool::{AwwPool, tokens::{AwsSignature, EnvTokens}};
///
/// let url = "https://abc123.execute-api.eu-west-1.amazonaws.com/prod";
/// let sign = AwsSignature::new("AKIDEXAMPLE", "eu-west-1", "execute-api").for_api(url)?;
/// let pool = AwwPool::builder(url)
///     .token_source(1, EnvTokens::new(["AWS_SECRET_ACCESS_KEY"]), sign)
///     .build()?;
/// # Ok::<(), vantage_api_pool::Error>(())
/// ```
#[derive(Clone)]
pub struct AwsSignature {
    access_key_id: String,
    region: String,
    service: String,
    session_token: Option<SecretString>,
}

impl AwsSignature {
    /// Signs with the secret of this access key, for this region, such as `eu-west-1`, and this
    /// service, such as `execute-api`, `s3` or `es`.
    pub fn new(
        access_key_id: impl Into<String>,
        region: impl Into<String>,
        service: impl Into<String>,
    ) -> Self {
        Self {
            access_key_id: access_key_id.into(),
            region: region.into(),
            service: service.into(),
            session_token: None,
        }
    }

    /// Sends the session token of temporary credentials.
    #[must_use]
    pub fn session_token(mut self, token: impl Into<String>) -> Self {
        self.session_token = Some(SecretString::from(token.into()));
        self
    }

    /// The `apply` argument of [`token_source`](crate::PoolBuilder::token_source), for the pool of
    /// this base URL.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for a URL that cannot be used, and for a text that is empty.
    pub fn for_api(
        self,
        base_url: &str,
    ) -> Result<impl Fn(Request, &str) -> Result<Request, Error> + Send + Sync + use<>, Error> {
        let base = BaseUrl::parse(base_url)?;
        let texts = [
            ("access_key_id", &self.access_key_id),
            ("region", &self.region),
            ("service", &self.service),
        ];
        if let Some((name, _)) = texts.iter().find(|(_, text)| text.trim().is_empty()) {
            return Err(Error::config(format!("{name}: is empty")));
        }
        let signer = Arc::new((self, base));
        Ok(move |request: Request, key: &str| {
            let (own, base) = &*signer;
            own.sign(request, key, base, SystemTime::now())
        })
    }

    fn sign(
        &self,
        request: Request,
        key: &str,
        base: &BaseUrl,
        now: SystemTime,
    ) -> Result<Request, Error> {
        let failed = |_| Error::new(ErrorKind::Token, "the request could not be signed for AWS");
        let session = self.session_token.as_ref().map(|token| token.expose_secret().to_owned());
        let identity = Credentials::new(&self.access_key_id, key, session, None, "pool").into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(&self.service)
            .time(now)
            .settings(self.settings())
            .build()
            .map_err(|_| failed(()))?
            .into();
        let mut request = request;
        if let Some((path, query)) = request.target().split_once('?') {
            let query = canonical(query).ok_or_else(|| {
                Error::new(ErrorKind::InvalidRequest, "a query that is signed must be UTF-8")
            })?;
            let target = format!("{path}?{query}");
            request.set_target(target);
        }
        let url = url_of(&request, base)?.to_string();
        // The body is not text, and neither need a header be.
        let headers = texts(request.headers());
        let headers = headers.iter().map(|(name, value)| (*name, &**value));
        let body = request.payload().map(AsRef::as_ref).unwrap_or_default();
        let body = SignableBody::Bytes(body);
        let signable = SignableRequest::new(request.method().as_str(), url, headers, body);
        let signed = sign(signable.map_err(|_| failed(()))?, &params).map_err(|_| failed(()))?;
        let (instructions, _) = signed.into_parts();
        for (name, value) in instructions.headers() {
            let name: HeaderName = name.parse().map_err(|_| failed(()))?;
            request = put(request, &name, value)?;
        }
        Ok(request)
    }

    /// S3 wants the hash of the body in a header, and its paths as they are.
    fn settings(&self) -> SigningSettings {
        let mut settings = SigningSettings::default();
        if self.service == "s3" {
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        }
        settings
    }
}

/// A query in the form that is signed, so that what is sent is what a server makes of it: all but
/// the unreserved characters of RFC 3986 section 2.3 encoded, and a space as `%20`. `None` for what is not UTF-8.
fn canonical(query: &str) -> Option<String> {
    let part = |text: &str| {
        let text = text.replace('+', " ");
        let text = percent_decode_str(&text).decode_utf8().ok()?;
        Some(utf8_percent_encode(&text, ESCAPED).to_string())
    };
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some(format!("{}={}", part(name)?, part(value)?))
    });
    Some(pairs.collect::<Option<Vec<_>>>()?.join("&"))
}

/// The headers, as they are signed.
fn texts(headers: &HeaderMap) -> Vec<(&str, Cow<'_, str>)> {
    headers.iter().map(|(name, value)| (name.as_str(), header_text(value))).collect()
}

impl fmt::Debug for AwsSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsSignature")
            .field("region", &self.region)
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    /// `get-vanilla-query-order-key-case` and `post-x-www-form-urlencoded` of AWS's own test suite:
    /// both of 2015-08-30T12:36:00Z.
    #[test]
    fn requests_are_signed_as_the_test_suite_of_aws_has_it() {
        let now = UNIX_EPOCH + Duration::from_secs(1_440_938_160);
        let base = BaseUrl::parse("https://example.amazonaws.com").unwrap();
        let signature = AwsSignature::new("AKIDEXAMPLE", "us-east-1", "service");
        let key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        let get = Request::get("/?Param2=value2&Param1=value1");
        let get = signature.sign(get, key, &base, now).unwrap();
        assert_eq!(
            get.headers()["authorization"],
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"
        );
        assert_eq!(get.headers()["x-amz-date"], "20150830T123600Z");
        assert!(get.headers()["authorization"].is_sensitive());
        let post = Request::post("/").form(&[("Param1", "value1")]).unwrap();
        let post = signature.sign(post, key, &base, now).unwrap();
        assert_eq!(
            post.headers()["authorization"],
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date, \
             Signature=ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"
        );
    }

    #[test]
    fn s3_gets_the_hash_of_the_body_and_a_session_its_token() {
        let base = BaseUrl::parse("https://bucket.s3.amazonaws.com").unwrap();
        let signature = AwsSignature::new("AKIDEXAMPLE", "us-east-1", "s3").session_token("tok");
        let signed = signature.sign(Request::get("/a%20b"), "k", &base, UNIX_EPOCH).unwrap();
        let hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(signed.headers()["x-amz-content-sha256"], hash);
        assert_eq!(signed.headers()["x-amz-security-token"], "tok");
    }

    #[test]
    fn a_query_is_sent_in_the_form_that_is_signed() {
        let base = BaseUrl::parse("https://a.example/v1").unwrap();
        let signature = AwsSignature::new("AKIDEXAMPLE", "us-east-1", "service");
        let request = Request::get("/rows?q=a+b&(1)=a/b&r&s=%C3%BC&");
        let signed = signature.sign(request, "k", &base, UNIX_EPOCH).unwrap();
        assert_eq!(signed.target(), "/rows?q=a%20b&%281%29=a%2Fb&r=&s=%C3%BC");
        let error = signature.sign(Request::get("/?a=%ff"), "k", &base, UNIX_EPOCH).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    }

    #[test]
    fn an_empty_text_is_refused_by_name() {
        let error = AwsSignature::new("a", " ", "s3").for_api("https://a.example").err().unwrap();
        assert!(error.to_string().contains("region"), "{error}");
    }
}
