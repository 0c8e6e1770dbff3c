//! [pure] Sends all conditions of a read in one parameter, with typed values. Knows nothing of
//! tables.

use std::sync::Arc;

use ciborium::Value;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use vantage_core::VantageError;

use super::custom::CustomForm;
use crate::vantage::{
    condition::Operator,
    error::incorrect,
    json::literal,
    parameter::{Parameters, parameter_text},
};

/// How an API takes all conditions of a read in one parameter, with numbers and booleans as
/// such: for [`Filters::combined`](crate::vantage::Filters::combined).
///
/// ```
/// use vantage_api_pool::vantage::{Combined, Filters, Operator};
///
/// // `where={"name":"x","n":{"$gt":7}}`
/// let eve = Filters::none().combined(Combined::json("where"));
/// // `filter={"where":{"n":{"gt":7}}}`
/// let loopback = Combined::json("filter").under("where").operator(Operator::Gt, "gt");
/// // `filter[objects]=[{"name":"n","op":"gt","val":7}]`
/// let restless = Combined::json_list("filter[objects]");
/// // `$filter=n gt 7 and name eq 'x'`
/// let odata = Filters::none().combined(Combined::odata("$filter"));
/// // Anything else, from the comparisons themselves.
/// let own = Combined::custom(|comparisons| {
///     let fields: Vec<&str> = comparisons.iter().map(|comparison| comparison.field()).collect();
///     Some(vec![("q".to_owned(), fields.join(","))])
/// });
/// # let _ = (eve, loopback, restless, odata, own);
/// ```
///
/// # As data
///
/// In YAML and other formats `style` is `json`, `json_list` or `odata`, and the other settings have
/// the names of their methods. `operators` has the names of operators that differ from the style,
/// and null for one that is not supported:
///
/// ```yaml
/// { style: json, param: filter, under: where, operators: { gt: gt, not_in: null } }
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[must_use]
pub struct Combined {
    style: CombinedStyle,
    param: String,
    #[serde(default)]
    under: Option<String>,
    #[serde(default)]
    keys: Option<(String, String, String)>,
    /// The operators that differ from those of the style.
    #[serde(default)]
    operators: IndexMap<Operator, Option<String>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CombinedStyle {
    /// An object with a key for each field.
    Json,
    /// A list with an object for each comparison.
    JsonList,
    /// Comparisons with words between them.
    Odata,
    #[serde(skip)]
    Custom(CustomForm<CombinedForm>),
}

/// One of the comparisons that are sent in one parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    pub(in crate::vantage) field: String,
    pub(in crate::vantage) operator: Operator,
    pub(in crate::vantage) values: Vec<Value>,
}

impl Comparison {
    /// The API's name for the column.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// How the column must compare to the values.
    #[must_use]
    pub fn operator(&self) -> Operator {
        self.operator
    }

    /// The values: one, or any number for `In` and `NotIn`, none for `IsNull` and `IsNotNull`.
    #[must_use]
    pub fn values(&self) -> &[Value] {
        &self.values
    }
}

type CombinedForm = dyn Fn(&[Comparison]) -> Option<Parameters> + Send + Sync;

impl Combined {
    fn of(style: CombinedStyle, param: impl Into<String>) -> Self {
        let (param, operators) = (param.into(), IndexMap::new());
        Self { style, param, under: None, keys: None, operators }
    }

    /// A JSON object with a key for each field, `{"name":"x","n":{"$gt":7}}`, with MongoDB's
    /// operators except for `=`: `$ne`, `$gt`, `$gte`, `$lt`, `$lte`, `$in` and `$nin`.
    pub fn json(param: impl Into<String>) -> Self {
        Self::of(CombinedStyle::Json, param)
    }

    /// A JSON list with an object for each comparison, `[{"name":"n","op":"gt","val":7}]`,
    /// and the operators `eq`, `ne`, `gt`, `ge`, `lt`, `le`, `in`, `not_in`, `is_null` and
    /// `is_not_null`.
    pub fn json_list(param: impl Into<String>) -> Self {
        Self::of(CombinedStyle::JsonList, param)
    }

    /// An expression of OData 4 (part 2, section 5.1.1): `n gt 7 and name eq 'x'`.
    pub fn odata(param: impl Into<String>) -> Self {
        Self::of(CombinedStyle::Odata, param)
    }

    /// The parameters that `form` makes of the comparisons; `None` if the API does not support all
    /// of them. It is called with one more comparison each time; a comparison that leads to `None`
    /// is treated like any that cannot be sent.
    pub fn custom(
        form: impl Fn(&[Comparison]) -> Option<Vec<(String, String)>> + Send + Sync + 'static,
    ) -> Self {
        Self::of(CombinedStyle::Custom(CustomForm(Arc::new(form))), "")
    }

    /// The API's name for an operator. In an expression it is the form to write, where `{field}`
    /// stands for the column and `{value}` for the value, or for the list with commas. An
    /// empty name means that the operator is the plain value.
    pub fn operator(mut self, operator: Operator, word: impl Into<String>) -> Self {
        self.operators.insert(operator, Some(word.into()));
        self
    }

    /// The API does not support this operator.
    pub fn without(mut self, operator: Operator) -> Self {
        self.operators.insert(operator, None);
        self
    }

    /// # Errors
    /// `IncorrectUsage` for a setting that the style does not have.
    pub(super) fn check(&self) -> Result<(), VantageError> {
        if self.under.is_some()
            && !matches!(self.style, CombinedStyle::Json | CombinedStyle::JsonList)
        {
            return Err(incorrect("`under` belongs to conditions in JSON"));
        }
        if self.keys.is_some() && !matches!(self.style, CombinedStyle::JsonList) {
            return Err(incorrect("`keys` belongs to the style `json_list`"));
        }
        Ok(())
    }

    /// The name of an operator, or its form.
    fn word(&self, operator: Operator) -> Option<&str> {
        match self.operators.get(&operator) {
            Some(own) => own.as_deref(),
            None => self.style.word(operator),
        }
    }

    /// The parameters for all of `comparisons`; `None` if the API does not support them.
    pub(in crate::vantage) fn parameters(&self, comparisons: &[Comparison]) -> Option<Parameters> {
        let value = match &self.style {
            CombinedStyle::Custom(CustomForm(form)) => return form(comparisons),
            CombinedStyle::Json => self.wrapped(self.object(comparisons)?),
            CombinedStyle::JsonList => {
                let each = comparisons.iter().map(|comparison| self.entry(comparison));
                let list = each.collect::<Option<Vec<String>>>()?.join(",");
                self.wrapped(format!("[{list}]"))
            }
            CombinedStyle::Odata => {
                let each = comparisons.iter().map(|comparison| self.expression(comparison));
                each.collect::<Option<Vec<String>>>()?.join(" and ")
            }
        };
        Some(vec![(self.param.clone(), value)])
    }

    fn wrapped(&self, json: String) -> String {
        match &self.under {
            Some(key) => format!("{{{}}}", pair(key, &json)),
            None => json,
        }
    }

    fn object(&self, comparisons: &[Comparison]) -> Option<String> {
        let mut fields: IndexMap<&str, Vec<(&str, String)>> = IndexMap::new();
        for comparison in comparisons {
            let word = self.word(comparison.operator)?;
            let value = value_of(comparison)?;
            let of_field = fields.entry(&comparison.field).or_default();
            // A plain value must be alone, and each operator may occur once.
            let is_free = word.is_empty() && of_field.is_empty()
                || !word.is_empty()
                    && of_field.iter().all(|(own, _)| !own.is_empty() && *own != word);
            if !is_free {
                return None;
            }
            of_field.push((word, value));
        }
        let mut parts = Vec::with_capacity(fields.len());
        for (field, operators) in fields {
            let value = match operators.as_slice() {
                [("", value)] => value.clone(),
                operators => {
                    let pairs = operators.iter().map(|(word, value)| pair(word, value));
                    format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
                }
            };
            parts.push(pair(field, &value));
        }
        Some(format!("{{{}}}", parts.join(",")))
    }

    fn entry(&self, comparison: &Comparison) -> Option<String> {
        let (field, operator, value) = match &self.keys {
            Some((field, operator, value)) => (field.as_str(), operator.as_str(), value.as_str()),
            None => ("name", "op", "val"),
        };
        let word = self.word(comparison.operator)?;
        let mut pairs = vec![pair(field, &text(&comparison.field)), pair(operator, &text(word))];
        if !comparison.values.is_empty() {
            pairs.push(pair(value, &value_of(comparison)?));
        }
        Some(format!("{{{}}}", pairs.join(",")))
    }

    fn expression(&self, comparison: &Comparison) -> Option<String> {
        let form = self.word(comparison.operator)?;
        let literals = comparison.values.iter().map(odata_literal);
        let value = literals.collect::<Option<Vec<String>>>()?.join(",");
        Some(form.replace("{field}", &comparison.field).replace("{value}", &value))
    }
}

setters! { Combined {
    /// The conditions are in JSON under this key: `{"where":{…}}`.
    under(key: impl Into<String>): under = Some(key.into());
    /// The keys of an object in a list: `name`, `op` and `val` by default.
    keys(field: impl Into<String>, operator: impl Into<String>, value: impl Into<String>):
        keys = Some((field.into(), operator.into(), value.into()));
} }

impl CombinedStyle {
    fn word(&self, operator: Operator) -> Option<&'static str> {
        let [json, list, odata] = match operator {
            Operator::Eq => ["", "eq", "{field} eq {value}"],
            Operator::Ne => ["$ne", "ne", "{field} ne {value}"],
            Operator::Gt => ["$gt", "gt", "{field} gt {value}"],
            Operator::Gte => ["$gte", "ge", "{field} ge {value}"],
            Operator::Lt => ["$lt", "lt", "{field} lt {value}"],
            Operator::Lte => ["$lte", "le", "{field} le {value}"],
            Operator::In => ["$in", "in", "{field} in ({value})"],
            Operator::NotIn => ["$nin", "not_in", "not ({field} in ({value}))"],
            Operator::IsNull => ["", "is_null", "{field} eq null"],
            Operator::IsNotNull => ["$ne", "is_not_null", "{field} ne null"],
            Operator::Contains if matches!(self, Self::Odata) => {
                return Some("contains(tolower({field}),tolower({value}))");
            }
            Operator::StartsWith if matches!(self, Self::Odata) => {
                return Some("startswith(tolower({field}),tolower({value}))");
            }
            Operator::Contains | Operator::StartsWith | Operator::Like => return None,
        };
        match self {
            Self::Json => Some(json),
            Self::JsonList => Some(list),
            Self::Odata => Some(odata),
            Self::Custom(_) => None,
        }
    }
}

fn pair(key: &str, json: &str) -> String {
    format!("{}:{json}", text(key))
}

fn text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The value of a comparison in JSON.
fn value_of(Comparison { operator, values, .. }: &Comparison) -> Option<String> {
    match (operator, values.as_slice()) {
        (Operator::In | Operator::NotIn, values) => {
            let each: Option<Vec<String>> = values.iter().map(literal).collect();
            Some(format!("[{}]", each?.join(",")))
        }
        (_, []) => Some("null".to_owned()),
        (_, [value]) => literal(value),
        _ => None,
    }
}

/// A value as OData writes it (ABNF construction rules 4.01, `primitiveLiteral`).
fn odata_literal(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some("null".to_owned()),
        Value::Text(text) => Some(format!("'{}'", text.replace('\'', "''"))),
        value => parameter_text(value),
    }
}

/// The equivalent operator for a single value, or for null.
pub(in crate::vantage) fn alone(operator: Operator, values: usize, is_null: bool) -> Operator {
    match (operator, values) {
        (Operator::Eq | Operator::In, 1) if is_null => Operator::IsNull,
        (Operator::Ne | Operator::NotIn, 1) if is_null => Operator::IsNotNull,
        (Operator::In, 1) => Operator::Eq,
        (Operator::NotIn, 1) => Operator::Ne,
        (operator, _) => operator,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comparison(field: &str, operator: Operator, values: &[Value]) -> Comparison {
        Comparison { field: field.into(), operator, values: values.to_vec() }
    }

    fn asked(combined: &Combined, comparisons: &[Comparison]) -> Option<String> {
        let parameters = combined.parameters(comparisons)?;
        let shown = parameters.iter().map(|(name, value)| format!("{name}={value}"));
        Some(shown.collect::<Vec<_>>().join("&"))
    }

    #[test]
    fn each_form_holds_all_comparisons_with_values_of_their_types() {
        let all = [
            comparison("n", Operator::Gt, &[7.into()]),
            comparison("n", Operator::Lte, &[9.5.into()]),
            comparison("name", Operator::Eq, &["a\"'b".into()]),
            comparison("on", Operator::Eq, &[true.into()]),
            comparison("id", Operator::In, &[1.into(), 2.into()]),
            comparison("x", Operator::IsNotNull, &[]),
        ];
        let json = r#"where={"n":{"$gt":7,"$lte":9.5},"name":"a\"'b","on":true,"id":{"$in":[1,2]},"x":{"$ne":null}}"#;
        assert_eq!(asked(&Combined::json("where"), &all).unwrap(), json);
        let odata = "$filter=n gt 7 and n le 9.5 and name eq 'a\"''b' and on eq true and id in (1,2) and x ne null";
        assert_eq!(asked(&Combined::odata("$filter"), &all).unwrap(), odata);
        let list = r#"q={"f":[{"name":"n","op":"gt","val":7},{"name":"x","op":"is_not_null"}]}"#;
        let some = [all[0].clone(), all[5].clone()];
        assert_eq!(asked(&Combined::json_list("q").under("f"), &some).unwrap(), list);
        let own = Combined::json("filter").under("where").operator(Operator::Gt, "gt");
        assert_eq!(asked(&own, &all[..1]).unwrap(), r#"filter={"where":{"n":{"gt":7}}}"#);
    }

    #[test]
    fn what_has_no_word_or_does_not_go_together_is_not_asked_for() {
        let json = Combined::json("where");
        let like = [comparison("n", Operator::Like, &["x".into()])];
        assert_eq!(asked(&json, &like), None);
        let both = [
            comparison("n", Operator::Eq, &[1.into()]),
            comparison("n", Operator::Gt, &[0.into()]),
        ];
        assert_eq!(asked(&json, &both), None);
        let twice = [both[1].clone(), both[1].clone()];
        assert_eq!(asked(&json, &twice), None);
        let bytes = [comparison("n", Operator::Eq, &[Value::Bytes(vec![1])])];
        assert_eq!(asked(&json, &bytes), None);
        assert_eq!(asked(&json.without(Operator::Gt), &both[1..]), None);
    }
}
