//! What a database has: tables, their columns, indexes and grants. Names are quoted here, and have
//! their schema.

use tokio_postgres::{Error, Transaction, types::Type};

/// Whether there is anything of this name.
pub(super) async fn is_there(transaction: &Transaction<'_>, name: &str) -> Result<bool, Error> {
    let sql = "SELECT to_regclass($1) IS NOT NULL";
    transaction.query_typed_one(sql, &[(&name, Type::TEXT)]).await?.try_get(0)
}

/// The columns of a table with their types, as PostgreSQL writes them; none if it is not there.
pub(super) async fn columns(
    transaction: &Transaction<'_>,
    table: &str,
) -> Result<Vec<(String, String)>, Error> {
    let sql = "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute \
               WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped \
               ORDER BY attnum";
    let rows = transaction.query_typed(sql, &[(&table, Type::TEXT)]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// The columns of an index on a table; none if it is not there.
pub(super) async fn index_columns(
    transaction: &Transaction<'_>,
    table: &str,
    index: &str,
) -> Result<Vec<String>, Error> {
    let sql = "SELECT attname::text FROM pg_index \
               CROSS JOIN LATERAL unnest(indkey) WITH ORDINALITY AS place(number, turn) \
               JOIN pg_attribute ON attrelid = indrelid AND attnum = number \
               WHERE indexrelid = to_regclass($2) AND indrelid = to_regclass($1) AND indisunique \
               ORDER BY turn";
    let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
        [(&table, Type::TEXT), (&index, Type::TEXT)];
    let rows = transaction.query_typed(sql, &parameters).await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// The statements that make the indexes of a table again, except for those of its constraints and the
/// index `own`, and that grant again what was granted on it.
pub(super) async fn made_on(
    transaction: &Transaction<'_>,
    table: &str,
    own: &str,
) -> Result<Vec<String>, Error> {
    let sql = "SELECT pg_get_indexdef(indexrelid) FROM pg_index \
               WHERE indrelid = to_regclass($1) AND indexrelid IS DISTINCT FROM to_regclass($2) \
               AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid) \
               UNION ALL \
               SELECT format('GRANT %s ON TABLE %s TO %s%s', privilege_type, $1, \
               CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END, \
               CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) \
               FROM pg_class, aclexplode(relacl) \
               WHERE pg_class.oid = to_regclass($1) AND grantee <> relowner";
    let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
        [(&table, Type::TEXT), (&own, Type::TEXT)];
    let rows = transaction.query_typed(sql, &parameters).await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// Drops a table, if it is there.
pub(super) async fn drop_table(transaction: &Transaction<'_>, table: &str) -> Result<(), Error> {
    transaction.batch_execute(&format!("DROP TABLE IF EXISTS {table}")).await
}
