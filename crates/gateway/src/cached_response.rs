//! A response that can be given more than once: its bytes, its validator, and its compressed
//! variants, each of which is made when it is first wanted.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderMap, HeaderValue},
    },
    web,
};
use bytes::Bytes;

use crate::{
    Problem,
    compress::{Coding, LONG, MIN_BYTES},
    etag::{Conditions, Tag},
};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Kept by nobody between, and asked about before it is used again.
const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("private, no-cache");
const VARY: HeaderValue = HeaderValue::from_static("Accept, Accept-Encoding");

/// A JSON response with its validator.
#[derive(Debug)]
pub(crate) struct CachedResponse {
    plain: Bytes,
    /// By the place of their coding among all.
    variants: [OnceLock<Option<Bytes>>; Coding::ALL.len()],
    tag: Tag,
    /// The tag as a field.
    tag_field: HeaderValue,
    pub(crate) made: Instant,
    /// How long it may be given again.
    pub(crate) fresh_for: Duration,
}

impl CachedResponse {
    /// An answer of these bytes, whose tag is a hash of them.
    pub(crate) fn new(plain: Vec<u8>, fresh_for: Duration) -> Self {
        let tag = Tag::of(&plain);
        Self::tagged(plain, tag, fresh_for)
    }

    /// An answer of these bytes, with the tag of what it represents.
    pub(crate) fn tagged(plain: Vec<u8>, tag: Tag, fresh_for: Duration) -> Self {
        let tag_field = tag.header();
        let (variants, made) = (Default::default(), Instant::now());
        Self { plain: plain.into(), variants, tag, tag_field, made, fresh_for }
    }

    /// The most bytes that it takes while it is kept, with all of its variants.
    pub(crate) fn weight(&self) -> usize {
        self.plain.len() + self.largest_variant() * Coding::ALL.len() + 256
    }

    /// The largest variant that is kept: half of the answer, which JSON hardly ever exceeds. To count for
    /// any that is shorter would leave room for fewer answers.
    fn largest_variant(&self) -> usize {
        self.plain.len() / 2
    }

    /// The answer to a request with these fields: 200, or 304 if the client has it. `age` is in
    /// seconds.
    ///
    /// # Errors
    /// 412 and 400 by its conditions.
    pub(crate) async fn respond(
        &self,
        headers: &HeaderMap,
        age: Option<u64>,
    ) -> Result<HttpResponse, Problem> {
        let conditions = Conditions::of(headers)?;
        let coded = match Coding::accepted(headers).filter(|_| self.plain.len() >= MIN_BYTES) {
            Some(coding) => self.variant(coding).await.map(|bytes| (coding, bytes)),
            None => None,
        };
        let tag = match coded {
            Some((coding, _)) => self.tag.variant_header(coding),
            None => self.tag_field.clone(),
        };
        let is_known = conditions.not_modified(&self.tag)?;
        let status = if is_known { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
        let mut response = HttpResponse::build(status);
        response.insert_header((header::ETAG, tag));
        response.insert_header((header::CACHE_CONTROL, CACHE_CONTROL));
        response.insert_header((header::VARY, VARY));
        if let Some(age) = age {
            response.insert_header((header::AGE, age));
        }
        if is_known {
            return Ok(response.finish());
        }
        response.insert_header((header::CONTENT_TYPE, JSON));
        Ok(match coded {
            Some((coding, bytes)) => {
                let coding = HeaderValue::from_static(coding.name());
                response.insert_header((header::CONTENT_ENCODING, coding));
                response.body(bytes)
            }
            None => response.body(self.plain.clone()),
        })
    }

    /// The variant of this coding, if it is shorter. A larger one than is kept is made each time.
    async fn variant(&self, coding: Coding) -> Option<Bytes> {
        let place = Coding::ALL.iter().position(|other| *other == coding)?;
        let variant = self.variants.get(place)?;
        if let Some(made) = variant.get() {
            return made.clone();
        }
        let made = if self.plain.len() > LONG {
            let plain = self.plain.clone();
            web::block(move || coding.compress(&plain)).await.ok().flatten()
        } else {
            coding.compress(&self.plain)
        };
        if made.as_ref().is_some_and(|made| made.len() > self.largest_variant()) {
            return made;
        }
        variant.get_or_init(|| made).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_web::test]
    async fn an_answer_with_its_variants_takes_no_more_than_is_counted() {
        let mut random = fastrand::Rng::with_seed(1);
        let noise: String = (0..9_000).map(|_| random.alphanumeric()).collect();
        let rows = "{\"id\":1,\"name\":\"x\"},".repeat(500);
        for (plain, is_kept) in [(noise, false), (rows, true)] {
            let answer = CachedResponse::new(plain.into_bytes(), Duration::ZERO);
            for coding in Coding::ALL {
                for _ in 0..2 {
                    let variant = answer.variant(*coding).await;
                    assert!(variant.is_none_or(|variant| variant.len() < answer.plain.len()));
                }
            }
            let kept = answer.variants.iter().filter_map(|variant| variant.get()?.as_ref());
            let kept: usize = kept.map(Bytes::len).sum();
            assert!(answer.plain.len() + kept <= answer.weight());
            assert_eq!(kept > 0, is_kept);
        }
    }
}
