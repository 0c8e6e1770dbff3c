//! [pure] The parameters of a URL: those that a path knows, each at most once.

use super::pairs;
use crate::{Problem, problem::listed};

/// The values of these parameters, as far as they are there.
///
/// # Errors
/// 400 that names a parameter that is not one of them, or is there twice.
pub(crate) fn parameters<const N: usize>(
    query: &str,
    known: [&str; N],
) -> Result<[Option<String>; N], Problem> {
    let mut values = [const { None }; N];
    for (name, value) in pairs(query)? {
        let place = known.iter().zip(&mut values).find(|(known, _)| **known == name);
        let Some((_, place)) = place else {
            return Err(Problem::bad_request("unknown_parameter", "unknown parameter")
                .with_detail(format!("the parameters are: {}", listed(known)))
                .with_error(name, "no parameter of this name"));
        };
        if place.replace(value).is_some() {
            return Err(Problem::bad_request("parameter_twice", "a parameter is given twice")
                .with_error(name, "it may be given once"));
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_known_and_given_once() {
        let [prefix, after] = parameters("prefix=a%2Fb+c&after=", ["prefix", "after"]).unwrap();
        assert_eq!((prefix.as_deref(), after.as_deref()), (Some("a/b c"), Some("")));
        assert_eq!(parameters("", ["ttl"]).unwrap(), [None]);
        for (query, kind) in [
            ("page=1", "unknown_parameter"),
            ("ttl=1s&ttl=1s", "parameter_twice"),
            ("ttl=%ff", "invalid_query"),
        ] {
            assert_eq!(parameters(query, ["ttl"]).unwrap_err().kind(), kind, "{query}");
        }
        assert_eq!(parameters("x", []).unwrap_err().kind(), "unknown_parameter");
    }
}
