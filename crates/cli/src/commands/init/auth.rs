//! How a draft authenticates, from the command line: names of variables alone, and never a secret. No
//! error repeats what may be one.

use vantage_api_discover::Auth;
use vantage_api_pool::tokens::is_credential_name;

use crate::{arguments::AuthArgs, failure::Failure};

/// # Errors
/// If what should be the name of a variable is invalid, which is not repeated: it may be the secret.
pub(super) fn of(by: &AuthArgs) -> Result<Option<Auth>, Failure> {
    if let Some(variable) = &by.bearer {
        return Ok(Some(Auth::Bearer(name("--bearer-env", variable)?)));
    }
    if let Some(both) = &by.basic {
        let (user, password) = both.split_once(':').ok_or_else(|| no_name("--basic-env"))?;
        let (user, password) = (name("--basic-env", user)?, name("--basic-env", password)?);
        return Ok(Some(Auth::Basic(user, password)));
    }
    if let Some(both) = &by.header {
        let (header, value) = pair("--header-env", both)?;
        let (prefix, variable) = match value.rsplit_once(' ') {
            Some((word, variable)) => (format!("{word} "), variable),
            None => (String::new(), value),
        };
        let variable = name("--header-env", variable)?;
        return Ok(Some(Auth::Header { name: header.to_owned(), prefix, variable }));
    }
    if let Some(both) = &by.query {
        let (parameter, variable) = pair("--query-env", both)?;
        let variable = name("--query-env", variable)?;
        return Ok(Some(Auth::Query { name: parameter.to_owned(), variable }));
    }
    if let Some(both) = &by.cookie {
        let (cookie, variable) = pair("--cookie-env", both)?;
        let variable = name("--cookie-env", variable)?;
        return Ok(Some(Auth::Cookie { name: cookie.to_owned(), variable }));
    }
    Ok(None)
}

/// Headers that are not secrets.
///
/// # Errors
/// If one has no `=`, or is called like one that holds a credential. What stands there is not
/// repeated.
pub(super) fn headers(given: &[String]) -> Result<Vec<(String, String)>, Failure> {
    let header = |both: &String| {
        let (name, value) = both
            .split_once('=')
            .ok_or_else(|| Failure::usage("--header has no `=`").advising("write NAME=VALUE"))?;
        match is_credential_name(name) {
            true => Err(Failure::usage(format_args!("the header `{name}` may be a secret"))
                .advising("--header-env NAME=VARIABLE takes it from the environment")),
            false => Ok((name.to_owned(), value.to_owned())),
        }
    };
    given.iter().map(header).collect()
}

fn pair<'t>(option: &str, both: &'t str) -> Result<(&'t str, &'t str), Failure> {
    both.split_once('=').ok_or_else(|| no_name(option))
}

fn name(option: &str, variable: &str) -> Result<String, Failure> {
    let is_name = variable.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && variable.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && std::env::var_os(variable).is_some_and(|value| !value.is_empty());
    if is_name { Ok(variable.to_owned()) } else { Err(no_name(option)) }
}

fn no_name(option: &str) -> Failure {
    Failure::usage(format_args!(
        "{option} takes the name of a variable that is set in the environment, and not the secret itself"
    ))
    .advising("export it, and name it: a command line is seen by others")
}
