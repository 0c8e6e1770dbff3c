//! [pure] How an API takes orders, and an order of rows.

use std::{fmt, sync::Arc};

use ciborium::Value;
use indexmap::IndexMap;
use vantage_core::VantageError;
use vantage_table::sorting::SortDirection;
use vantage_types::Record;

use super::{condition::ApiCondition, dialect::Parameters, path::refused, value::SortKey};

/// How an API takes orders, and which.
///
/// By default it takes none, and a table with an order is `Unsupported` when it is read.
///
/// ```
/// use vantage_api_pool::Sorting;
///
/// let prefixed = Sorting::prefixed("sort"); // `sort=name,-population`
/// let suffixed = Sorting::suffixed("sort", ":"); // `sort=name:asc,population:desc`
/// let separate = Sorting::separate("order_by", "order"); // `order_by=name&order=desc`
/// let some = prefixed.only(["name"]).on_rows(true);
/// let lists = Sorting::separate("_sort", "_order").joined(","); // `_sort=a,b&_order=asc,desc`
/// let one = Sorting::by_direction("_sort", "_sort_desc"); // `_sort_desc=name`
/// // `sort=[["name","asc"],["population","desc"]]`
/// let json = Sorting::template("sort=[{columns}]", r#"["{column}","{direction}"]"#, ",");
/// # let _ = (suffixed, separate, some, lists, one, json);
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Sorting {
    form: Option<Form>,
    words: Option<[String; 2]>,
    only: Option<Vec<String>>,
    names: IndexMap<String, String>,
    on_rows: bool,
}

#[derive(Clone, Debug)]
enum Form {
    Prefixed(String),
    Suffixed { parameter: String, between: String },
    Separate { by: String, direction: String, between: Option<String> },
    ByDirection { ascending: String, descending: String },
    Template { name: String, value: String, column: String, between: String },
    Custom(Custom),
}

type CustomForm = dyn Fn(&[(String, SortDirection)]) -> Option<Parameters> + Send + Sync;

#[derive(Clone)]
struct Custom(Arc<CustomForm>);

impl fmt::Debug for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("custom")
    }
}

impl Sorting {
    /// The API takes no orders.
    pub fn none() -> Self {
        Self::default()
    }

    /// One parameter with the columns, `-` before those that descend:
    /// `sort=name,-population`.
    pub fn prefixed(parameter: impl Into<String>) -> Self {
        Self { form: Some(Form::Prefixed(parameter.into())), ..Self::default() }
    }

    /// One parameter with the columns and their directions, with `between` between the two:
    /// `sort=name:asc,population:desc`.
    pub fn suffixed(parameter: impl Into<String>, between: impl Into<String>) -> Self {
        let form = Form::Suffixed { parameter: parameter.into(), between: between.into() };
        Self { form: Some(form), ..Self::default() }
    }

    /// One parameter with the column, and one with the direction:
    /// `order_by=name&order=desc`. It takes one column.
    pub fn separate(by: impl Into<String>, direction: impl Into<String>) -> Self {
        let form = Form::Separate { by: by.into(), direction: direction.into(), between: None };
        Self { form: Some(form), ..Self::default() }
    }

    /// In the form of [`separate`](Self::separate), several columns and their directions with
    /// `between` between them: `_sort=a,b&_order=asc,desc`. Other forms take several anyway.
    pub fn joined(mut self, between: impl Into<String>) -> Self {
        if let Some(Form::Separate { between: own, .. }) = &mut self.form {
            *own = Some(between.into());
        }
        self
    }

    /// The column in one of two parameters, by the direction: `_sort=name` or
    /// `_sort_desc=name`. It takes one column.
    pub fn by_direction(ascending: impl Into<String>, descending: impl Into<String>) -> Self {
        let form = Form::ByDirection { ascending: ascending.into(), descending: descending.into() };
        Self { form: Some(form), ..Self::default() }
    }

    /// One parameter as `form` says, `name=value` with `{columns}` in the value: there stands
    /// `column` for each column, with its name for `{column}` and the word for its direction
    /// for `{direction}`, and `between` between them. A form without `=` or `{columns}` has no
    /// order, and a name with a quotation mark or a backslash no form.
    pub fn template(form: &str, column: impl Into<String>, between: impl Into<String>) -> Self {
        let (name, value) = form.split_once('=').unwrap_or_default();
        let form = Form::Template {
            name: name.to_owned(),
            value: value.to_owned(),
            column: column.into(),
            between: between.into(),
        };
        Self { form: Some(form), ..Self::default() }
    }

    /// Whatever parameters `form` makes of the columns, by what the API calls them; `None` for
    /// an order that the API does not take.
    pub fn custom(
        form: impl Fn(&[(String, SortDirection)]) -> Option<Vec<(String, String)>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self { form: Some(Form::Custom(Custom(Arc::new(form)))), ..Self::default() }
    }

    /// The words for the two directions: `asc` and `desc` by default. Prefixes have none.
    pub fn words(mut self, ascending: impl Into<String>, descending: impl Into<String>) -> Self {
        self.words = Some([ascending.into(), descending.into()]);
        self
    }

    /// The API can order by these columns alone. By default it can by all.
    pub fn only<C: Into<String>>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        self.only = Some(columns.into_iter().map(Into::into).collect());
        self
    }

    /// What the API calls `column` in an order: by default the path of its
    /// [alias](crate::ApiTable::alias), or else its name.
    pub fn parameter(mut self, column: impl Into<String>, name: impl Into<String>) -> Self {
        self.names.insert(column.into(), name.into());
        self
    }

    /// Whether an order that the API does not take is made on the rows. The whole set is
    /// read and held in memory before the first row is there, also for a window. Numbers,
    /// dates of RFC 3339 and texts are ordered as such, null and what is missing last in
    /// both directions, and equal rows as the API sends them. Off by default.
    pub fn on_rows(mut self, yes: bool) -> Self {
        self.on_rows = yes;
        self
    }

    /// What is done about `orders`; `name_of` gives what the API calls a column.
    ///
    /// # Errors
    /// `Unsupported` when an order is not by a column, or when the API does not take it
    /// and rows are not ordered.
    pub(super) fn lower<'a>(
        &self,
        orders: impl IntoIterator<Item = (&'a ApiCondition, SortDirection)>,
        name_of: impl Fn(&str) -> String,
        is_numeric: impl Fn(&str) -> bool,
    ) -> Result<Ordered, VantageError> {
        let mut by = Vec::new();
        for (condition, direction) in orders {
            let ApiCondition::Column { field } = condition else {
                return Err(refused("an order is by a column", &condition.to_string()));
            };
            by.push(SortBy {
                column: field.clone(),
                is_descending: direction == SortDirection::Descending,
                is_numeric: is_numeric(field),
            });
        }
        let Some(first) = by.first() else { return Ok(Ordered::default()) };
        let what = &first.column;
        match self.parameters(&by, name_of) {
            Ok(parameters) => Ok(Ordered { parameters, by, on_rows: self.on_rows, is_sent: true }),
            Err(_) if self.on_rows => Ok(Ordered { by, on_rows: true, ..Ordered::default() }),
            Err(why) => Err(refused(why, what)),
        }
    }

    /// The parameters that ask for the order, or why there are none.
    fn parameters(
        &self,
        by: &[SortBy],
        name_of: impl Fn(&str) -> String,
    ) -> Result<Parameters, &'static str> {
        let form = self.form.as_ref().ok_or("the API cannot be asked for an order")?;
        let mut columns = Vec::with_capacity(by.len());
        for SortBy { column, is_descending, .. } in by {
            if self.only.as_ref().is_some_and(|only| !only.contains(column)) {
                return Err("the API cannot order by the column");
            }
            let name = self.names.get(column).cloned().unwrap_or_else(|| name_of(column));
            if name.is_empty() || name.contains(',') || name.starts_with('-') {
                return Err("the name of the column has no form in an order");
            }
            columns.push((name, *is_descending));
        }
        let word = |is_descending: bool| -> &str {
            match &self.words {
                Some([ascending, descending]) => {
                    if is_descending {
                        descending
                    } else {
                        ascending
                    }
                }
                None if is_descending => "desc",
                None => "asc",
            }
        };
        let joined = |shown: &dyn Fn(&str, bool) -> String| {
            let columns = columns.iter().map(|(name, is_descending)| shown(name, *is_descending));
            columns.collect::<Vec<_>>().join(",")
        };
        match form {
            Form::Prefixed(parameter) => {
                let prefix = |is_descending| if is_descending { "-" } else { "" };
                let value = joined(&|name, descending| format!("{}{name}", prefix(descending)));
                Ok(vec![(parameter.clone(), value)])
            }
            Form::Suffixed { parameter, between } => {
                let value =
                    joined(&|name, descending| format!("{name}{between}{}", word(descending)));
                Ok(vec![(parameter.clone(), value)])
            }
            Form::Separate { by, direction, between: Some(between) } => {
                let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
                let words: Vec<&str> =
                    columns.iter().map(|(_, is_descending)| word(*is_descending)).collect();
                Ok(vec![
                    (by.clone(), names.join(between)),
                    (direction.clone(), words.join(between)),
                ])
            }
            Form::ByDirection { ascending, descending } => match columns.as_slice() {
                [(name, true)] => Ok(vec![(descending.clone(), name.clone())]),
                [(name, false)] => Ok(vec![(ascending.clone(), name.clone())]),
                _ => Err("the API orders by one column"),
            },
            Form::Template { name, value, column, between } => {
                let has_form = |(name, _): &(String, bool)| !name.contains(['"', '\'', '\\']);
                if name.is_empty() || !value.contains("{columns}") || !columns.iter().all(has_form)
                {
                    return Err("the name of the column has no form in an order");
                }
                let each = columns.iter().map(|(name, is_descending)| {
                    column.replace("{direction}", word(*is_descending)).replace("{column}", name)
                });
                let each = each.collect::<Vec<_>>().join(between);
                Ok(vec![(name.clone(), value.replace("{columns}", &each))])
            }
            Form::Custom(Custom(form)) => {
                let direction = |is_descending| match is_descending {
                    true => SortDirection::Descending,
                    false => SortDirection::Ascending,
                };
                let columns: Vec<_> = columns
                    .into_iter()
                    .map(|(name, is_descending)| (name, direction(is_descending)))
                    .collect();
                form(&columns)
                    .filter(|parameters| !parameters.is_empty())
                    .ok_or("the API does not take the order")
            }
            Form::Separate { by, direction, between: None } => match columns.as_slice() {
                [(name, is_descending)] => Ok(vec![
                    (by.clone(), name.clone()),
                    (direction.clone(), word(*is_descending).to_owned()),
                ]),
                _ => Err("the API orders by one column"),
            },
        }
    }
}

/// One column of an order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SortBy {
    pub(super) column: String,
    pub(super) is_descending: bool,
    is_numeric: bool,
}

/// What is done about the order of a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Ordered {
    /// What asks the API for it.
    pub(super) parameters: Parameters,
    pub(super) by: Vec<SortBy>,
    /// Whether rows may be ordered.
    pub(super) on_rows: bool,
    is_sent: bool,
}

impl Ordered {
    /// The order to make on the rows, when the API makes none.
    pub(super) fn made_on_rows(&self) -> Option<&[SortBy]> {
        (!self.is_sent && !self.by.is_empty()).then_some(&self.by)
    }

    /// The same order for rows that come from several requests, which the API cannot
    /// order among each other.
    ///
    /// # Errors
    /// `Unsupported` when rows are not ordered.
    pub(super) fn of_several_requests(self) -> Result<Self, VantageError> {
        match self.by.first() {
            Some(first) if !self.on_rows => {
                Err(refused("the rows of several requests have no order", &first.column))
            }
            _ => Ok(Self { parameters: Vec::new(), is_sent: false, ..self }),
        }
    }
}

/// Orders rows by columns; equal ones stay as they are.
pub(super) fn sort<T>(rows: &mut Vec<T>, by: &[SortBy], record: impl Fn(&T) -> &Record<Value>) {
    let keys = |row: &T| -> Vec<SortKey> {
        by.iter().map(|by| SortKey::of(record(row).get(&by.column), by.is_numeric)).collect()
    };
    let mut keyed: Vec<(Vec<SortKey>, T)> = rows.drain(..).map(|row| (keys(&row), row)).collect();
    keyed.sort_by(|(one, _), (other, _)| {
        let pairs = one.iter().zip(other).zip(by);
        let mut orders = pairs.map(|((one, other), by)| one.order(other, by.is_descending));
        orders.find(|order| order.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
    });
    rows.extend(keyed.into_iter().map(|(_, row)| row));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lowered(sorting: &Sorting, by: &[(&str, bool)]) -> Result<Ordered, VantageError> {
        let conditions: Vec<_> = by
            .iter()
            .map(|(column, is_descending)| {
                let direction = match is_descending {
                    true => SortDirection::Descending,
                    false => SortDirection::Ascending,
                };
                (ApiCondition::column(*column), direction)
            })
            .collect();
        let orders = conditions.iter().map(|(condition, direction)| (condition, *direction));
        sorting.lower(orders, str::to_owned, |_| false)
    }

    fn sent(sorting: &Sorting, by: &[(&str, bool)]) -> String {
        let parameters = lowered(sorting, by).unwrap().parameters;
        let shown: Vec<_> =
            parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
        shown.join("&")
    }

    #[test]
    fn each_form_says_the_columns_and_the_directions() {
        let both = [("a", false), ("b", true)];
        assert_eq!(sent(&Sorting::prefixed("sort"), &both), "sort=a,-b");
        assert_eq!(sent(&Sorting::suffixed("s", ":"), &both), "s=a:asc,b:desc");
        let separate = Sorting::separate("by", "dir").words("up", "down");
        assert_eq!(sent(&separate, &both[1..]), "by=b&dir=down");
        assert!(lowered(&separate, &both).unwrap_err().is_unsupported());
        let joined = Sorting::separate("_sort", "_order").joined(",");
        assert_eq!(sent(&joined, &both), "_sort=a,b&_order=asc,desc");
        let either = Sorting::by_direction("_sort", "_sort_desc");
        assert_eq!(sent(&either, &both[..1]), "_sort=a");
        assert_eq!(sent(&either, &both[1..]), "_sort_desc=b");
        assert!(lowered(&either, &both).unwrap_err().is_unsupported());
        let json = Sorting::template("sort={{columns}}", r#""{column}":{direction}"#, ",");
        assert_eq!(sent(&json.words("1", "-1"), &both), r#"sort={"a":1,"b":-1}"#);
        let custom = Sorting::custom(|columns| {
            let (name, _) = columns.first().filter(|_| columns.len() == 1)?;
            Some(vec![("by".to_owned(), format!("-{name}"))])
        });
        assert_eq!(sent(&custom, &both[1..]), "by=-b");
        assert!(lowered(&custom, &both).unwrap_err().is_unsupported());
        let named = Sorting::prefixed("sort").parameter("a", "x.a");
        assert_eq!(sent(&named, &both), "sort=x.a,-b");
    }

    #[test]
    fn what_the_api_does_not_take_is_refused_or_made_on_the_rows() {
        let some = Sorting::prefixed("sort").only(["a"]);
        assert!(lowered(&some, &[("a", false), ("b", false)]).unwrap_err().is_unsupported());
        assert!(lowered(&Sorting::none(), &[("a", false)]).unwrap_err().is_unsupported());
        for name in ["", "a,b", "-a"] {
            let named = Sorting::prefixed("sort").parameter("a", name);
            assert!(lowered(&named, &[("a", false)]).unwrap_err().is_unsupported(), "{name}");
        }
        let on_rows = lowered(&some.on_rows(true), &[("b", true)]).unwrap();
        assert_eq!(on_rows.parameters, []);
        assert_eq!(on_rows.made_on_rows().map(<[_]>::len), Some(1));
        let sent = lowered(&Sorting::prefixed("sort").on_rows(true), &[("a", false)]).unwrap();
        assert_eq!(sent.made_on_rows(), None);
        assert!(lowered(&Sorting::none(), &[]).unwrap().by.is_empty());
    }

    #[test]
    fn an_order_is_by_a_column() {
        let condition = ApiCondition::eq("a", 1);
        let orders = [(&condition, SortDirection::Ascending)];
        let sorting = Sorting::prefixed("sort").on_rows(true);
        assert!(sorting.lower(orders, str::to_owned, |_| false).unwrap_err().is_unsupported());
    }

    #[test]
    fn the_rows_of_several_requests_are_ordered_here_or_not_at_all() {
        let order = |sorting: Sorting| lowered(&sorting, &[("a", false)]).unwrap();
        let sent = order(Sorting::prefixed("sort"));
        assert!(sent.of_several_requests().unwrap_err().is_unsupported());
        let here = order(Sorting::prefixed("sort").on_rows(true)).of_several_requests().unwrap();
        assert!(here.parameters.is_empty() && here.made_on_rows().is_some());
        assert_eq!(Ordered::default().of_several_requests().unwrap(), Ordered::default());
    }

    #[test]
    fn rows_are_ordered_by_column_after_column_and_equal_ones_stay() {
        let row = |a: Value, b: i64| -> Record<Value> {
            [("a".to_owned(), a), ("b".to_owned(), b.into())].into_iter().collect()
        };
        let mut rows =
            vec![row(2.into(), 0), row(Value::Null, 1), row(1.into(), 2), row(2.0.into(), 3)];
        let by = |is_descending| SortBy { column: "a".into(), is_descending, is_numeric: false };
        let order = |rows: &[Record<Value>]| -> Vec<i128> {
            rows.iter().map(|row| row["b"].as_integer().unwrap().into()).collect()
        };
        sort(&mut rows, &[by(false)], |row| row);
        assert_eq!(order(&rows), [2, 0, 3, 1]);
        let last = SortBy { column: "b".into(), ..by(true) };
        sort(&mut rows, &[by(true), last], |row| row);
        assert_eq!(order(&rows), [3, 0, 2, 1]);
    }
}
