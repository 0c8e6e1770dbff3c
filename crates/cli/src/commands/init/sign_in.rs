//! How a draft signs in, from the command line: names of variables alone, and never a secret.

use vantage_api_discover::SignIn;

use crate::{arguments::SignInBy, failure::Failure};

/// # Errors
/// If what should be the name of a variable is none, which is not repeated: it may be the secret.
pub(super) fn of(by: &SignInBy) -> Result<Option<SignIn>, Failure> {
    if let Some(variable) = &by.bearer {
        return Ok(Some(SignIn::Bearer(name("--bearer", variable)?)));
    }
    if let Some(both) = &by.basic {
        let (user, password) = both.split_once(':').ok_or_else(|| no_name("--basic"))?;
        let (user, password) = (name("--basic", user)?, name("--basic", password)?);
        return Ok(Some(SignIn::Basic(user, password)));
    }
    if let Some((header, value)) = &by.header {
        let (prefix, variable) = match value.rsplit_once(' ') {
            Some((word, variable)) => (format!("{word} "), variable),
            None => (String::new(), value.as_str()),
        };
        let variable = name("--header", variable)?;
        return Ok(Some(SignIn::Header { name: header.clone(), prefix, variable }));
    }
    if let Some((parameter, variable)) = &by.key_in_query {
        let variable = name("--key-in-query", variable)?;
        return Ok(Some(SignIn::Query { name: parameter.clone(), variable }));
    }
    if let Some((cookie, variable)) = &by.cookie {
        let variable = name("--cookie", variable)?;
        return Ok(Some(SignIn::Cookie { name: cookie.clone(), variable }));
    }
    Ok(None)
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
