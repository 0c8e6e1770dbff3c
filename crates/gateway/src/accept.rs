//! [pure] What a client takes, and how gladly (RFC 9110, section 12.4.2).

use actix_web::http::header::{HeaderMap, HeaderName};

/// The weight, 0 to 1, of the first of these names in a field such as `Accept`; `None` if it has none of
/// them. One without a weight, or with what is none, has 1.
pub(crate) fn weight(headers: &HeaderMap, field: HeaderName, names: &[&str]) -> Option<f32> {
    let texts = headers.get_all(field).filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).find_map(|item| {
        let mut parts = item.split(';').map(str::trim);
        let given = parts.next().unwrap_or_default();
        names.iter().find(|name| given.eq_ignore_ascii_case(name))?;
        let mut pairs = parts.filter_map(|part| part.split_once('='));
        let weight = pairs.find(|(key, _)| key.trim().eq_ignore_ascii_case("q"));
        let weight = weight.and_then(|(_, weight)| weight.trim().parse::<f32>().ok());
        Some(weight.filter(|weight| weight.is_finite()).unwrap_or(1.0).clamp(0.0, 1.0))
    })
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{ACCEPT, HeaderValue};

    use super::*;

    #[test]
    fn a_weight_is_that_of_the_name() {
        let mut headers = HeaderMap::new();
        let text = "a/b;q=0.5, A/C ;level=1; Q = 0 , a/d;q=x, a/e;q=nan, a/f;q=7, a/g";
        headers.insert(ACCEPT, HeaderValue::from_static(text));
        for (name, expected) in [
            ("a/b", Some(0.5)),
            ("a/c", Some(0.0)),
            ("a/d", Some(1.0)),
            ("a/e", Some(1.0)),
            ("a/f", Some(1.0)),
            ("a/g", Some(1.0)),
            ("a", None),
            ("", None),
        ] {
            assert_eq!(weight(&headers, ACCEPT, &[name]), expected, "{name}");
        }
        assert_eq!(weight(&headers, ACCEPT, &["a/x", "a/c", "a/b"]), Some(0.5));
    }
}
