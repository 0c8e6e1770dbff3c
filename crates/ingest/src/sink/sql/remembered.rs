//! [pure] What the databases remember of a stream as text, and what is wrong with what is there.

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    schema::Schema,
    sink::{SinkError, Target},
    state::StreamState,
};

/// A value as the text of a database.
///
/// # Errors
/// A lasting one; there is no value that has none.
pub(crate) fn to_text(value: &impl Serialize) -> Result<String, SinkError> {
    serde_json::to_string(value)
        .map_err(|error| SinkError::lasting("the state of a stream as JSON").because(error))
}

/// The value of such a text; `what` says where it is.
///
/// # Errors
/// A lasting one, if this version has not written it.
pub(crate) fn from_text<T: DeserializeOwned>(text: &str, what: &str) -> Result<T, SinkError> {
    serde_json::from_str(text).map_err(|error| {
        SinkError::lasting(format!("{what} is not one that this version reads")).because(error)
    })
}

/// The state of a stream that is to begin anew with the table that it has, which has these columns.
pub(crate) fn forgotten(state: StreamState, schema: Schema) -> StreamState {
    StreamState {
        run: state.run,
        // A run that was under way does not go on.
        is_finished: true,
        schema,
        paths: state.paths,
        wide: state.wide,
        untyped: state.untyped,
        children: state.children,
        ..StreamState::default()
    }
}

/// That someone else has opened the stream since.
pub(crate) fn not_owned(target: &Target) -> SinkError {
    let Target { job, stream, .. } = target;
    SinkError::lasting(format!(
        "stream `{stream}` of job `{job}` was opened or reset by another process since: only the \
         last one that has opened it writes it"
    ))
}

/// That another stream writes a table.
pub(crate) fn taken(table: &str, job: &str, stream: &str) -> SinkError {
    SinkError::lasting(format!(
        "table `{table}` is written by stream `{stream}` of job `{job}`: give the stream another \
         name, or reset that one with its rows"
    ))
}

/// That there is a table which no stream has written.
pub(crate) fn not_free(target: &Target, table: &str) -> SinkError {
    SinkError::lasting(format!(
        "there is a table `{table}` already, which stream `{}` has not written: give the stream \
         another name, or drop that table",
        target.stream
    ))
}

/// That a table of a stream is gone.
pub(crate) fn gone(target: &Target, table: &str) -> SinkError {
    SinkError::lasting(format!(
        "table `{table}` is gone, while it is remembered how far it was written: reset stream `{}` \
         to write it from the start",
        target.stream
    ))
}
