//! [pure] Finds the calls of the table function `api` in a statement.

use std::ops::ControlFlow;

use datafusion::sql::{
    parser::{CopyToSource, Statement},
    sqlparser::ast::{
        Expr, FunctionArg, FunctionArgExpr, TableFactor, Value, ValueWithSpan, Visit, Visitor,
    },
};

/// The name of the function.
pub(crate) const FUNCTION: &str = "api";

/// The arguments of each call, as far as they are texts.
pub(crate) fn calls_in(statement: &Statement) -> Vec<Vec<String>> {
    let mut calls = Calls(Vec::new());
    calls.find(statement);
    calls.0
}

struct Calls(Vec<Vec<String>>);

impl Calls {
    fn find(&mut self, statement: &Statement) {
        // The visitor never breaks off.
        let _ = match statement {
            Statement::Statement(statement) => statement.visit(self),
            Statement::Explain(explain) => {
                self.find(&explain.statement);
                return;
            }
            Statement::CopyTo(copy) => match &copy.source {
                CopyToSource::Query(query) => query.visit(self),
                CopyToSource::Relation(_) => ControlFlow::Continue(()),
            },
            _ => ControlFlow::Continue(()),
        };
    }
}

impl Visitor for Calls {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, args: Some(arguments), .. } = factor
            && name.to_string().eq_ignore_ascii_case(FUNCTION)
            && let Some(texts) = arguments.args.iter().map(text).collect()
        {
            self.0.push(texts);
        }
        ControlFlow::Continue(())
    }
}

fn text(argument: &FunctionArg) -> Option<String> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(ValueWithSpan {
            value: Value::SingleQuotedString(text),
            ..
        }))) => Some(text.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::parser::DFParser;

    use super::*;

    #[test]
    fn calls_are_found_wherever_a_statement_has_a_query() {
        for sql in [
            "SELECT * FROM api('https://a.b/c', 'id', 'id')",
            "SELECT * FROM t WHERE x IN (SELECT y FROM API('https://a.b/c', 'id', 'id'))",
            "EXPLAIN ANALYZE SELECT * FROM api('https://a.b/c', 'id', 'id') a JOIN t USING (id)",
            "COPY (SELECT * FROM api('https://a.b/c', 'id', 'id')) TO 'x.csv'",
            "INSERT INTO t SELECT * FROM api('https://a.b/c', 'id', 'id')",
            "WITH q AS (SELECT * FROM api('https://a.b/c', 'id', 'id')) SELECT 1",
            "CREATE VIEW v AS SELECT * FROM api('https://a.b/c', 'id', 'id')",
        ] {
            let statement = DFParser::parse_sql(sql).unwrap().pop_front().unwrap();
            assert_eq!(calls_in(&statement), [["https://a.b/c", "id", "id"]], "{sql}");
        }
        for sql in ["SELECT * FROM api", "SELECT * FROM api(1)", "SELECT api('x')"] {
            let statement = DFParser::parse_sql(sql).unwrap().pop_front().unwrap();
            assert!(calls_in(&statement).is_empty(), "{sql}");
        }
    }
}
