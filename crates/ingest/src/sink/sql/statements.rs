//! [pure] The statements that SQLite and PostgreSQL have in common.

use super::names::{list, quoted};
use crate::schema::Schema;

/// The names of a schema's columns.
pub(crate) fn names(schema: &Schema) -> impl Iterator<Item = &str> {
    schema.columns.iter().map(|column| column.name.as_str())
}

/// What an `INSERT` does with a row whose key is there: the new row takes its place as a whole.
pub(crate) fn on_conflict(schema: &Schema, key: &[String]) -> String {
    let others = names(schema).filter(|name| !key.iter().any(|column| column == name));
    let sets: Vec<String> =
        others.map(quoted).map(|name| format!("{name} = excluded.{name}")).collect();
    let key = key_list(key);
    if sets.is_empty() {
        format!("ON CONFLICT ({key}) DO NOTHING")
    } else {
        format!("ON CONFLICT ({key}) DO UPDATE SET {}", sets.join(", "))
    }
}

/// Deletes the rows of a table whose `columns` have a key that is not in `seen`; both tables are
/// quoted.
pub(crate) fn delete_unseen(table: &str, columns: &[String], seen: &str, key: &[String]) -> String {
    let same = same(columns, key);
    format!("DELETE FROM {table} AS t WHERE NOT EXISTS (SELECT 1 FROM {seen} AS s WHERE {same})")
}

/// That `columns` of a table `t` have the key of a row of `s`.
pub(crate) fn same(columns: &[String], key: &[String]) -> String {
    let pairs = key.iter().zip(columns);
    let same = pairs.map(|(own, column)| format!("s.{} = t.{}", quoted(own), quoted(column)));
    same.collect::<Vec<_>>().join(" AND ")
}

/// The columns of a key, quoted.
pub(crate) fn key_list(key: &[String]) -> String {
    list(key.iter().map(String::as_str))
}

/// The columns of a schema that are in a key.
pub(crate) fn key_schema(schema: &Schema, key: &[String]) -> Schema {
    let columns = key.iter().filter_map(|name| schema.get(name).cloned());
    Schema { columns: columns.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Column, ColumnType};

    fn schema(names: &[&str]) -> Schema {
        let column =
            |name: &&str| Column { name: (*name).into(), kind: ColumnType::Int, declared: false };
        Schema { columns: names.iter().map(column).collect() }
    }

    fn key(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_row_with_a_known_key_takes_the_place_of_the_old_one() {
        assert_eq!(
            on_conflict(&schema(&["a", "id", "b\"c"]), &key(&["id"])),
            r#"ON CONFLICT ("id") DO UPDATE SET "a" = excluded."a", "b""c" = excluded."b""c""#
        );
        let only = on_conflict(&schema(&["id", "of"]), &key(&["id", "of"]));
        assert_eq!(only, r#"ON CONFLICT ("id", "of") DO NOTHING"#);
    }

    #[test]
    fn rows_that_are_gone_are_found_by_the_whole_key() {
        assert_eq!(
            delete_unseen("\"a\"", &key(&["_id", "of"]), "\"b\"", &key(&["id", "of"])),
            "DELETE FROM \"a\" AS t WHERE NOT EXISTS (SELECT 1 FROM \"b\" AS s WHERE \
             s.\"id\" = t.\"_id\" AND s.\"of\" = t.\"of\")"
        );
    }
}
