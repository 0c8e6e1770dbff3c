//! [pure] Converts the expressions of Vantage's query builders to conditions.

use ciborium::Value;
use vantage_expressions::{Expression, ExpressiveEnum};
use vantage_table::conditions::unquote_identifier;

use super::condition::{ApiCondition, Operator};

/// An expression that compares a column with values, or combines such comparisons by `AND`, `OR`
/// and `NOT`, becomes that condition, and a column alone becomes
/// [`ApiCondition::Column`]; anything else becomes [`ApiCondition::Unsupported`].
impl From<Expression<Value>> for ApiCondition {
    fn from(expression: Expression<Value>) -> Self {
        read(&expression).unwrap_or_else(|| {
            Self::unsupported(format!("the expression `{}`", expression.template))
        })
    }
}

fn read(expression: &Expression<Value>) -> Option<ApiCondition> {
    let template = expression.template.trim();
    let words = template.replace("{}", " {} ").replace(['(', ')'], " ").to_ascii_uppercase();
    let words: Vec<&str> = words.split_whitespace().collect();
    let parameters = expression.parameters.as_slice();
    match (words.as_slice(), parameters) {
        (_, []) => unquote_identifier(template).map(ApiCondition::column),
        (["{}"], [inner]) => read(nested(inner)?),
        (["NOT", "{}"], [inner]) => Some(!condition(inner)?),
        (["{}", "IS", "NULL"], [field]) => Some(ApiCondition::is_null(column(field)?)),
        (["{}", "IS", "NOT", "NULL"], [field]) => Some(ApiCondition::is_not_null(column(field)?)),
        (["{}", "IN", "{}"], [field, of]) => Some(ApiCondition::is_in(column(field)?, list(of)?)),
        (["{}", "NOT", "IN", "{}"], [field, of]) => {
            Some(ApiCondition::is_not_in(column(field)?, list(of)?))
        }
        (["{}", "NOT", "LIKE", "{}"], [field, of]) => Some(!like(field, of)?),
        (["{}", "LIKE" | "ILIKE", "{}"], [field, of]) => like(field, of),
        (["{}", "AND", rest @ ..], all) if is_chain(rest, "AND", all.len()) => {
            all.iter().map(condition).collect::<Option<_>>().map(ApiCondition::All)
        }
        (["{}", "OR", rest @ ..], any) if is_chain(rest, "OR", any.len()) => {
            any.iter().map(condition).collect::<Option<_>>().map(ApiCondition::Any)
        }
        (["{}", operator, "{}"], [field, of]) => {
            let (field, value) = (column(field)?, value(of)?);
            let operator = match *operator {
                "=" | "==" => return Some(ApiCondition::eq(field, value)),
                "!=" | "<>" => Operator::Ne,
                ">" => Operator::Gt,
                ">=" => Operator::Gte,
                "<" => Operator::Lt,
                "<=" => Operator::Lte,
                _ => return None,
            };
            Some(ApiCondition::compare(field, operator, value))
        }
        _ => None,
    }
}

/// Whether what follows `{} WORD` is `{} WORD {} …`, with one `{}` for each argument.
fn is_chain(rest: &[&str], word: &str, places: usize) -> bool {
    let places_and_words = rest.iter().enumerate();
    rest.len() + 3 == places * 2
        && places_and_words.into_iter().all(|(at, part)| {
            let expected = if at % 2 == 0 { "{}" } else { word };
            *part == expected
        })
}

fn nested(of: &ExpressiveEnum<Value>) -> Option<&Expression<Value>> {
    match of {
        ExpressiveEnum::Nested(expression) => Some(expression),
        _ => None,
    }
}

/// A part of a combination: anything but a column alone.
fn condition(of: &ExpressiveEnum<Value>) -> Option<ApiCondition> {
    read(nested(of)?).filter(|condition| !matches!(condition, ApiCondition::Column { .. }))
}

fn column(of: &ExpressiveEnum<Value>) -> Option<String> {
    let expression = nested(of)?;
    expression.parameters.is_empty().then(|| unquote_identifier(&expression.template))?
}

fn value(of: &ExpressiveEnum<Value>) -> Option<Value> {
    match of {
        ExpressiveEnum::Scalar(value) => Some(value.clone()),
        ExpressiveEnum::Nested(wrapped) if wrapped.template.trim() == "{}" => {
            value(wrapped.parameters.first()?)
        }
        _ => None,
    }
}

/// The values of `{}, {}, …`, of one list, or of one value.
fn list(of: &ExpressiveEnum<Value>) -> Option<Vec<Value>> {
    match (value(of), of) {
        (Some(Value::Array(values)), _) => Some(values),
        (Some(value), _) => Some(vec![value]),
        (None, ExpressiveEnum::Nested(expression)) => {
            let is_list = expression.template.split(',').all(|part| part.trim() == "{}");
            let is_empty = expression.template.trim().is_empty();
            let values = expression.parameters.iter().map(value).collect::<Option<Vec<_>>>()?;
            let fits = is_list && expression.template.split(',').count() == values.len();
            (fits || is_empty && values.is_empty()).then_some(values)
        }
        _ => None,
    }
}

fn like(field: &ExpressiveEnum<Value>, of: &ExpressiveEnum<Value>) -> Option<ApiCondition> {
    let pattern = value(of)?.into_text().ok()?;
    Some(ApiCondition::like(column(field)?, pattern))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str) -> ExpressiveEnum<Value> {
        ExpressiveEnum::Nested(Expression::new(name, vec![]))
    }

    fn scalar(value: impl Into<Value>) -> ExpressiveEnum<Value> {
        ExpressiveEnum::Scalar(value.into())
    }

    fn expression(template: &str, parameters: Vec<ExpressiveEnum<Value>>) -> Expression<Value> {
        Expression::new(template, parameters)
    }

    fn shown(template: &str, parameters: Vec<ExpressiveEnum<Value>>) -> String {
        ApiCondition::from(expression(template, parameters)).to_string()
    }

    #[test]
    fn comparisons_of_a_column_with_a_value_are_read() {
        for operator in ["=", ">", ">=", "<", "<=", "<>"] {
            let template = format!("{{}} {operator} {{}}");
            let text = shown(&template, vec![field("\"n\""), scalar(7)]);
            assert_eq!(text, format!("n {operator} 7"));
        }
        assert_eq!(shown("{} != {}", vec![field("n"), scalar(7)]), "n <> 7");
        assert_eq!(shown("{} LIKE {}", vec![field("n"), scalar("a%")]), "n LIKE \"a%\"");
        assert_eq!(shown("{} is not null", vec![field("n")]), "n IS NOT NULL");
        let list = expression("{}, {}", vec![scalar(1), scalar(2)]);
        let parameters = vec![field("n"), ExpressiveEnum::Nested(list)];
        assert_eq!(shown("{} IN ({})", parameters.clone()), "n IN (1, 2)");
        assert_eq!(shown("{} NOT IN ({})", parameters), "n NOT IN (1, 2)");
    }

    #[test]
    fn combinations_are_read_and_a_column_alone_is_one() {
        let n = |value: i64| {
            let equality = expression("{} = {}", vec![field("n"), scalar(value)]);
            ExpressiveEnum::Nested(equality)
        };
        assert_eq!(shown("({}) OR ({})", vec![n(1), n(2)]), "(n = 1 OR n = 2)");
        assert_eq!(
            shown("{} AND {} AND {}", vec![n(1), n(2), n(3)]),
            "(n = 1 AND n = 2 AND n = 3)"
        );
        assert_eq!(shown("NOT ({})", vec![n(1)]), "NOT n = 1");
        assert_eq!(ApiCondition::from(expression("`n`", vec![])), ApiCondition::column("n"));
    }

    #[test]
    fn other_expressions_are_kept_as_unsupported() {
        let unread = [
            ("lower({}) = {}", vec![field("n"), scalar(7)]),
            ("{} = {}", vec![field("n"), field("m")]),
            ("{} ~ {}", vec![field("n"), scalar(7)]),
            ("{} AND {} OR {}", vec![field("n"), field("n"), field("n")]),
            ("{} OR {}", vec![field("n"), field("m")]),
            ("n > 7", vec![]),
            ("{} IN (SELECT {})", vec![field("n"), scalar(7)]),
        ];
        for (template, parameters) in unread {
            let condition = ApiCondition::from(expression(template, parameters));
            assert!(matches!(condition, ApiCondition::Unsupported { .. }), "{condition}");
            assert!(condition.to_string().contains(template), "{condition}");
        }
    }
}
