//! What is remembered of a stream, in a row beside its rows; and who may write it.

use rusqlite::{Connection, OptionalExtension, Result, Transaction, params};

use super::{children::Children, connection::begin, error::failed, objects};
use crate::{
    description::WriteMode,
    schema::Schema,
    sink::{
        Reject, SinkError, Target,
        sql::{
            names::{REJECTS, STATE, new_table, seen_table},
            remembered,
            steps::{Before, Beside},
        },
    },
    state::StreamState,
};

/// `owner` is whoever opened the stream last, `beside` the table that its run has beside its own, and
/// `columns` are those of its own, whose declared types do not say all of theirs. A table below that
/// of a stream has a row as well, with `child` in `beside`, the stream in `owner` and its columns in
/// `state`.
const TABLES: &str = r#"
CREATE TABLE IF NOT EXISTS "_apipool_state" (
    "job" TEXT NOT NULL, "stream" TEXT NOT NULL, "state" TEXT NOT NULL, "owner" TEXT NOT NULL,
    "beside" TEXT, "columns" TEXT NOT NULL, PRIMARY KEY ("job", "stream"));
CREATE TABLE IF NOT EXISTS "_apipool_rejects" (
    "job" TEXT NOT NULL, "stream" TEXT NOT NULL, "run" INTEGER NOT NULL, "at" TEXT NOT NULL,
    "reason" TEXT NOT NULL, "row" TEXT NOT NULL);
"#;

/// What there is before a commit, and the columns of the table.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) before: Before,
    pub(super) columns: Schema,
}

/// Becomes the one who writes the stream: returns the name by which that is known, and the state.
pub(super) fn take(
    connection: &mut Connection,
    target: &Target,
) -> Result<(String, StreamState), SinkError> {
    let failed = || failed(format!("the state of stream `{}` in SQLite", target.stream));
    let transaction = begin(connection).map_err(failed())?;
    transaction.execute_batch(TABLES).map_err(failed())?;
    check_writers(&transaction, target, &target.stream)?;
    let state = match read(&transaction, target)? {
        Some((known, _)) => {
            check_table(&transaction, target, &known)?;
            Children { transaction: &transaction, target }.check()?;
            known.before.state
        }
        None => {
            check_free(&transaction, target)?;
            insert(&transaction, target).map_err(failed())?;
            StreamState::default()
        }
    };
    let owner = set_owner(&transaction, target).map_err(failed())?;
    transaction.commit().map_err(failed())?;
    Ok((owner, state))
}

/// The state, without becoming its owner.
pub(super) fn look(connection: &Connection, target: &Target) -> Result<StreamState, SinkError> {
    let what = || failed(format!("the state of stream `{}` in SQLite", target.stream));
    if !objects::is_there(connection, STATE).map_err(what())? {
        return Ok(StreamState::default());
    }
    let found = read(connection, target)?;
    Ok(found.map(|(known, _)| known.before.state).unwrap_or_default())
}

/// The columns of the table as they were last written; `None` if the stream was never opened.
pub(super) fn columns(
    connection: &Connection,
    target: &Target,
) -> Result<Option<Schema>, SinkError> {
    Ok(read(connection, target)?.map(|(known, _)| known.columns))
}

/// Forgets where the stream stands, and its rows as well if told so.
pub(super) fn reset(
    connection: &mut Connection,
    target: &Target,
    drop_rows: bool,
) -> Result<(), SinkError> {
    let failed = || failed(format!("reset of stream `{}` in SQLite", target.stream));
    let transaction = begin(connection).map_err(failed())?;
    if !objects::is_there(&transaction, STATE).map_err(failed())? {
        return Ok(());
    }
    let Some((known, _)) = read(&transaction, target)? else { return Ok(()) };
    if let Some(beside) = known.before.beside {
        objects::drop_table(&transaction, &beside.table(&target.stream)).map_err(failed())?;
    }
    let children = Children { transaction: &transaction, target };
    if drop_rows {
        children.drop_all()?;
        objects::drop_table(&transaction, &target.stream).map_err(failed())?;
        delete(&transaction, target).map_err(failed())?;
    } else {
        children.reset()?;
        let is_there = objects::is_there(&transaction, &target.stream).map_err(failed())?;
        let columns = if is_there { known.columns } else { Schema::default() };
        let state = remembered::forgotten(known.before.state, columns.clone());
        set(&transaction, target, &state, None, &columns)?;
        set_owner(&transaction, target).map_err(failed())?;
    }
    transaction.commit().map_err(failed())
}

/// What there is before a commit of `owner`.
///
/// # Errors
/// A lasting one, if someone else has opened the stream since.
pub(super) fn owned(
    transaction: &Transaction<'_>,
    target: &Target,
    owner: &str,
) -> Result<Known, SinkError> {
    match read(transaction, target)? {
        Some((known, of)) if of == owner => Ok(known),
        _ => Err(remembered::not_owned(target)),
    }
}

/// What there is, whoever writes the stream.
///
/// # Errors
/// If a table of the stream is gone.
pub(super) fn there(transaction: &Transaction<'_>, target: &Target) -> Result<Known, SinkError> {
    let failed = failed(format!("the state of stream `{}` in SQLite", target.stream));
    if !objects::is_there(transaction, STATE).map_err(failed)? {
        return Ok(Known::default());
    }
    let Some((known, _)) = read(transaction, target)? else { return Ok(Known::default()) };
    check_table(transaction, target, &known)?;
    Children { transaction, target }.check()?;
    Ok(known)
}

/// Sets what there is after a commit.
pub(super) fn set(
    transaction: &Transaction<'_>,
    target: &Target,
    state: &StreamState,
    beside: Option<Beside>,
    columns: &Schema,
) -> Result<(), SinkError> {
    let (text, columns) = (remembered::to_text(state)?, remembered::to_text(columns)?);
    let beside = beside.map(Beside::as_str);
    let sql = format!(
        "UPDATE {STATE} SET \"state\" = ?3, \"beside\" = ?4, \"columns\" = ?5 \
         WHERE \"job\" = ?1 AND \"stream\" = ?2"
    );
    let set = transaction.prepare_cached(&sql).and_then(|mut statement| {
        statement.execute(params![target.job, target.stream, text, beside, columns])
    });
    set.map(drop).map_err(failed(format!("the state of stream `{}` in SQLite", target.stream)))
}

/// Adds rows that were set aside.
pub(super) fn add_rejects(
    transaction: &Transaction<'_>,
    target: &Target,
    run: u64,
    rejects: &[Reject],
) -> Result<()> {
    if rejects.is_empty() {
        return Ok(());
    }
    let run = i64::try_from(run).unwrap_or(i64::MAX);
    let mut statement = transaction.prepare_cached(&format!(
        "INSERT INTO {REJECTS} (\"job\", \"stream\", \"run\", \"at\", \"reason\", \"row\") \
         VALUES (?1, ?2, ?3, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), ?4, ?5)"
    ))?;
    for reject in rejects {
        statement.execute(params![target.job, target.stream, run, reject.reason, reject.row])?;
    }
    Ok(())
}

/// What there is, and its owner.
fn read(connection: &Connection, target: &Target) -> Result<Option<(Known, String)>, SinkError> {
    type Row = (String, Option<String>, String, String);
    let what = || format!("the state of stream `{}` in SQLite", target.stream);
    let sql = format!(
        "SELECT \"state\", \"beside\", \"columns\", \"owner\" FROM {STATE} \
         WHERE \"job\" = ?1 AND \"stream\" = ?2 AND \"beside\" IS NOT 'child'"
    );
    let row: Option<Row> = connection
        .query_row(&sql, params![target.job, target.stream], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()
        .map_err(failed(what()))?;
    let Some((state, beside, columns, owner)) = row else { return Ok(None) };
    let before = Before {
        state: remembered::from_text(&state, &what())?,
        beside: Beside::parse(beside.as_deref())?,
    };
    let columns = remembered::from_text(&columns, &what())?;
    Ok(Some((Known { before, columns }, owner)))
}

fn insert(transaction: &Transaction<'_>, target: &Target) -> Result<()> {
    let sql = format!(
        "INSERT INTO {STATE} (\"job\", \"stream\", \"state\", \"owner\", \"columns\") \
         VALUES (?1, ?2, '{{}}', '', '[]')"
    );
    transaction.execute(&sql, params![target.job, target.stream]).map(drop)
}

fn set_owner(transaction: &Transaction<'_>, target: &Target) -> Result<String> {
    let sql = format!(
        "UPDATE {STATE} SET \"owner\" = lower(hex(randomblob(16))) \
         WHERE \"job\" = ?1 AND \"stream\" = ?2 RETURNING \"owner\""
    );
    transaction.query_row(&sql, params![target.job, target.stream], |row| row.get(0))
}

fn delete(transaction: &Transaction<'_>, target: &Target) -> Result<()> {
    for table in [STATE, REJECTS] {
        let sql = format!("DELETE FROM {table} WHERE \"job\" = ?1 AND \"stream\" = ?2");
        transaction.execute(&sql, params![target.job, target.stream])?;
    }
    Ok(())
}

/// Whether no other stream writes a table, whose name may differ in case.
pub(super) fn check_writers(
    transaction: &Transaction<'_>,
    target: &Target,
    table: &str,
) -> Result<(), SinkError> {
    let sql = format!(
        "SELECT \"job\", \"writer\" FROM (SELECT \"job\", \
         CASE \"beside\" WHEN 'child' THEN \"owner\" ELSE \"stream\" END AS \"writer\" \
         FROM {STATE} WHERE \"stream\" = ?3 COLLATE NOCASE) \
         WHERE NOT (\"job\" = ?1 AND \"writer\" = ?2)"
    );
    let other: Option<(String, String)> = transaction
        .query_row(&sql, params![target.job, target.stream, table], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()
        .map_err(failed("the streams in SQLite"))?;
    match other {
        Some((job, stream)) => Err(remembered::taken(table, &job, &stream)),
        None => Ok(()),
    }
}

/// Whether the tables of a stream that was never written are free.
fn check_free(transaction: &Transaction<'_>, target: &Target) -> Result<(), SinkError> {
    let stream = &target.stream;
    for table in [stream.clone(), new_table(stream), seen_table(stream)] {
        let what = || failed(format!("table `{table}` in SQLite"));
        if objects::is_there(transaction, &table).map_err(what())? {
            return Err(remembered::not_free(target, &table));
        }
    }
    Ok(())
}

/// Whether the table of a stream is still there, if its rows are to be kept.
fn check_table(
    transaction: &Transaction<'_>,
    target: &Target,
    known: &Known,
) -> Result<(), SinkError> {
    let stream = &target.stream;
    let is_new = known.columns.columns.is_empty() || target.mode == WriteMode::Replace;
    let is_there = objects::is_there(transaction, stream);
    if is_new || is_there.map_err(failed(format!("table `{stream}` in SQLite")))? {
        return Ok(());
    }
    Err(remembered::gone(target, stream))
}
