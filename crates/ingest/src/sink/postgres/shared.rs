//! [pure] What the processes that write the parts of a stream have learned of its rows, put together.

use crate::{
    schema::{Column, ColumnType},
    sink::{SinkError, Target},
    state::StreamState,
};

/// Adds what `own` has learned to what is known, and returns whether that is new.
pub(super) fn unite(known: &mut StreamState, own: &StreamState) -> bool {
    let before = (known.schema.clone(), known.wide.clone(), known.untyped.clone());
    known.wide.extend(own.wide.iter().cloned());
    for column in &own.schema.columns {
        add(known, column, own.untyped.contains(&column.name));
    }
    for (column, path) in &own.paths {
        known.paths.entry(column.clone()).or_insert_with(|| path.clone());
    }
    before != (known.schema.clone(), known.wide.clone(), known.untyped.clone())
}

fn add(known: &mut StreamState, column: &Column, is_untyped: bool) {
    let (name, kind) = (&column.name, column.kind);
    let is_wide = known.wide.contains(name);
    let Some(there) = known.schema.columns.iter_mut().find(|there| there.name == *name) else {
        if is_untyped {
            known.untyped.insert(name.clone());
        }
        known.schema.columns.push(column.clone());
        return;
    };
    if is_untyped {
        return;
    }
    there.kind = match known.untyped.remove(name) {
        true => kind,
        false => widened(there.kind, kind, is_wide),
    };
}

/// The type that holds both; `is_wide` if there are whole numbers that a float does not hold.
fn widened(one: ColumnType, other: ColumnType, is_wide: bool) -> ColumnType {
    let widened = one.widened(other);
    let is_float = widened == ColumnType::Float && one != other;
    if is_float && is_wide { ColumnType::Text } else { widened }
}

/// The state of a run in parts.
///
/// # Errors
/// A lasting one, if it is not the run `run`, or has ended.
pub(super) fn of_run(
    state: Option<StreamState>,
    run: u64,
    target: &Target,
) -> Result<StreamState, SinkError> {
    let is_own = |state: &StreamState| state.run == run && state.is_in_parts && !state.is_finished;
    state.filter(is_own).ok_or_else(|| {
        let Target { job, stream, .. } = target;
        SinkError::lasting(format!(
            "run {run} of stream `{stream}` of job `{job}` has ended or was reset: its parts are not \
             written any more"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Schema;
    use ColumnType::{Bool, Float, Int, Text};

    fn state(columns: &[(&str, ColumnType)], untyped: &[&str], wide: &[&str]) -> StreamState {
        let column = |(name, kind): &(&str, ColumnType)| Column {
            name: (*name).into(),
            kind: *kind,
            declared: false,
        };
        StreamState {
            schema: Schema { columns: columns.iter().map(column).collect() },
            untyped: untyped.iter().map(ToString::to_string).collect(),
            wide: wide.iter().map(ToString::to_string).collect(),
            ..StreamState::default()
        }
    }

    fn kinds(known: &StreamState) -> Vec<ColumnType> {
        known.schema.columns.iter().map(|column| column.kind).collect()
    }

    #[test]
    fn columns_are_added_and_widened_and_nothing_is_narrowed() {
        let mut known = state(&[("a", Float), ("b", Int)], &[], &[]);
        assert!(unite(&mut known, &state(&[("b", Text), ("a", Int), ("c", Bool)], &[], &[])));
        assert_eq!(kinds(&known), [Float, Text, Bool]);
        assert!(!unite(&mut known, &state(&[("b", Int), ("c", Bool)], &[], &[])));
    }

    #[test]
    fn a_column_without_a_value_gets_the_type_of_the_first_one_anywhere() {
        let mut known = state(&[("a", Bool)], &["a"], &[]);
        assert!(!unite(&mut known, &state(&[("a", Bool)], &["a"], &[])));
        assert!(unite(&mut known, &state(&[("a", Text)], &[], &[])));
        assert_eq!((kinds(&known), known.untyped.len()), (vec![Text], 0));
        assert!(!unite(&mut known, &state(&[("a", Bool)], &["a"], &[])));
        assert_eq!(kinds(&known), [Text]);
        assert!(unite(&mut known, &state(&[("b", Bool)], &["b"], &[])));
        assert!(known.untyped.contains("b"));
    }

    #[test]
    fn whole_numbers_that_a_float_does_not_hold_become_text_beside_floats() {
        for (one, other) in [(Int, Float), (Float, Int)] {
            let mut known = state(&[("a", one)], &[], &[]);
            unite(&mut known, &state(&[("a", other)], &[], &["a"]));
            assert_eq!(kinds(&known), [Text]);
        }
        let mut known = state(&[("a", Int)], &[], &["a"]);
        unite(&mut known, &state(&[("a", Int)], &[], &[]));
        assert_eq!(kinds(&known), [Int]);
    }

    #[test]
    fn a_run_that_was_reset_or_has_ended_is_not_written_any_more() {
        let target = Target::new("j", "s", ["id"], crate::description::WriteMode::Append);
        let own = StreamState { run: 3, is_in_parts: true, ..StreamState::default() };
        assert!(of_run(Some(own.clone()), 3, &target).is_ok());
        for state in [
            None,
            Some(StreamState { run: 4, ..own.clone() }),
            Some(StreamState { is_finished: true, ..own.clone() }),
            Some(StreamState { is_in_parts: false, ..own.clone() }),
        ] {
            assert!(of_run(state, 3, &target).unwrap_err().is_lasting());
        }
    }
}
