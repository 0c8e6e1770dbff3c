//! [pure] Which of a read's conditions are sent to the API, and in which parameters.

use std::collections::HashSet;

use ciborium::Value;
use vantage_core::{VantageError, error};

use super::{
    condition::Operator,
    error::refused,
    number::exact,
    order::OrderPlan,
    parameter::{Parameters, encode, parameter_text},
    settings::{Comparison, Filtering, TableSettings, alone},
    value::as_flag,
    where_clause::{Declared, cannot_ask_for},
};

/// Collects the parameters to send.
pub(super) struct Pushdown<'a> {
    table: &'a TableSettings,
    declared: &'a Declared,
    /// The names of parameters that already have a meaning.
    taken: HashSet<String>,
    params: Vec<String>,
    split: Vec<Vec<String>>,
    /// Whether a condition that cannot be sent is an error.
    pub(super) may_refuse: bool,
    /// The comparisons that are sent in one parameter.
    together: Vec<Comparison>,
    /// The lists of values that one of them is split into, one for each request.
    parts: Option<(usize, Vec<Vec<Value>>)>,
}

impl<'a> Pushdown<'a> {
    pub(super) fn new(
        table: &'a TableSettings,
        declared: &'a Declared,
        fixed: &str,
        order: &OrderPlan,
    ) -> Self {
        let paging = table.paging.parameters().into_iter().map(str::to_owned);
        let fixed = url::form_urlencoded::parse(fixed.as_bytes()).map(|(name, _)| name.into());
        let order = order.parameters.iter().map(|(name, _)| name.clone());
        let taken = paging.chain(fixed).chain(order).collect();
        let (params, split) = (Vec::new(), Vec::new());
        let (together, parts) = (Vec::new(), None);
        Self { table, declared, taken, params, split, may_refuse: true, together, parts }
    }

    /// Sends a comparison, and returns whether it is sent.
    ///
    /// # Errors
    /// `Unsupported` if it must be sent and cannot.
    pub(super) fn send(
        &mut self,
        column: &str,
        operator: Operator,
        values: &[Value],
    ) -> Result<bool, VantageError> {
        let is_parameter = self.declared.parameters.contains(column);
        if self.table.filtering == Filtering::Local && !is_parameter {
            return Ok(false);
        }
        if self.combine(column, operator, values) {
            return Ok(true);
        }
        let text = |value: &Value| match self.typed(column, value) {
            Value::Bool(flag) => self.table.filters.word_for(flag).map(str::to_owned),
            _ => None,
        };
        let texts = values.iter().map(|value| text(value).or_else(|| parameter_text(value)));
        let texts: Vec<Option<String>> = texts.collect();
        let name = self.table.field_of(column);
        let filters = &self.table.filters;
        let requests = match is_parameter {
            // It selects what is sent, and says nothing about rows.
            true => filters.clone().taking_any_text().parameters(column, &name, operator, &texts),
            false => filters.parameters(column, &name, operator, &texts),
        };
        match requests.and_then(|requests| self.add(requests)) {
            Ok(()) => Ok(true),
            Err(why) => self.cannot(why, column).map(|()| false),
        }
    }

    /// The value converted to the declared type of the column, if possible.
    fn typed(&self, column: &str, value: &Value) -> Value {
        let is_numeric = self.declared.numeric.contains(column);
        let is_flag = self.declared.flags.contains(column);
        match value {
            Value::Text(text) if is_numeric => {
                let is_exact = |number: &Value| parameter_text(number).as_ref() == Some(text);
                exact(text).filter(is_exact).unwrap_or_else(|| value.clone())
            }
            Value::Text(text) if is_flag && text == "true" => true.into(),
            Value::Text(text) if is_flag && text == "false" => false.into(),
            value if is_flag => as_flag(value).map_or_else(|| value.clone(), Value::Bool),
            value => value.clone(),
        }
    }

    /// Adds a comparison to those in one parameter, if the API takes it there.
    fn combine(&mut self, column: &str, operator: Operator, values: &[Value]) -> bool {
        let name = self.table.field_of(column);
        let Some((combined, name)) = self.table.filters.together(column, &name) else {
            return false;
        };
        let operator = alone(operator, values.len(), matches!(values, [Value::Null]));
        let is_null = matches!(operator, Operator::IsNull | Operator::IsNotNull);
        let mut values: Vec<Value> = match is_null {
            true => Vec::new(),
            false => values.iter().map(|value| self.typed(column, value)).collect(),
        };
        let texts: Vec<String> =
            values.iter().map(|value| parameter_text(value).unwrap_or_default()).collect();
        let mut rest = values.as_slice();
        let mut parts = Vec::new();
        for group in self.table.filters.list_groups(&texts) {
            let (part, after) = rest.split_at(group.len().min(rest.len()));
            parts.push(part.to_vec());
            rest = after;
        }
        let is_split = parts.len() > 1;
        if is_split && (operator != Operator::In || self.parts.is_some()) {
            return false;
        }
        if is_split {
            values.clone_from(&parts[0]);
        }
        self.together.push(Comparison { field: name.to_owned(), operator, values });
        let parameters = combined.parameters(&self.together);
        let is_free = |(name, _): &(String, String)| !self.taken.contains(name);
        if !parameters.is_some_and(|all| !all.is_empty() && all.iter().all(is_free)) {
            self.together.pop();
            return false;
        }
        if is_split {
            self.parts = Some((self.together.len() - 1, parts));
        }
        true
    }

    /// The parameters of every request, and those of each single one if there are several.
    ///
    /// # Errors
    /// `Unsupported` if what is sent in one parameter conflicts with the rest.
    pub(super) fn finish(mut self) -> Result<(Vec<String>, Vec<Vec<String>>), VantageError> {
        if let (Some(last), Some(combined)) =
            (self.together.last(), self.table.filters.all_together())
        {
            let column = last.field.clone();
            let requests = match self.parts.take() {
                None => vec![combined.parameters(&self.together).unwrap_or_default()],
                Some((at, parts)) => {
                    let of_part = |part: Vec<Value>| {
                        self.together[at].values = part;
                        combined.parameters(&self.together).unwrap_or_default()
                    };
                    parts.into_iter().map(of_part).collect()
                }
            };
            self.add(requests).map_err(|why| refused(why, &column))?;
        }
        Ok((self.params, self.split))
    }

    /// # Errors
    /// `Unsupported` if everything must be sent, and for a request parameter, which cannot be
    /// evaluated on a row.
    pub(super) fn cannot(&self, why: &str, column: &str) -> Result<(), VantageError> {
        let must_be_sent =
            self.table.filtering == Filtering::Server || self.declared.parameters.contains(column);
        match must_be_sent && self.may_refuse {
            true => Err(refused(why, column)),
            false => Ok(()),
        }
    }

    pub(super) fn search(&mut self, searches: &[String]) -> Result<(), VantageError> {
        let Some((first, others)) = searches.split_first() else { return Ok(()) };
        if others.iter().any(|other| other != first) {
            return Err(cannot_ask_for("two searches at once"));
        }
        let parameter = self.table.filters.search(first);
        let parameter = parameter.ok_or_else(|| cannot_ask_for("a search"))?;
        self.add(vec![vec![parameter]]).map_err(|why| error!(why).mark_unsupported())
    }

    fn add(&mut self, mut requests: Vec<Parameters>) -> Result<(), &'static str> {
        if requests.is_empty() || requests.iter().any(Vec::is_empty) {
            return Err("the form of the comparison gave no parameters");
        }
        let names = requests.iter().flatten().map(|(name, _)| name.as_str());
        let names: HashSet<String> = names.map(str::to_owned).collect();
        if names.iter().any(|name| self.taken.contains(name)) {
            return Err("the parameter has another meaning already");
        }
        let encode_all = |parameters: Parameters| parameters.iter().map(encoded).collect();
        match requests.len() {
            1 => {
                self.params.extend(requests.drain(..).flat_map(|one| -> Vec<_> { encode_all(one) }))
            }
            _ if !self.split.is_empty() => return Err("two lists take several requests each"),
            _ => self.split = requests.into_iter().map(encode_all).collect(),
        }
        self.taken.extend(names);
        Ok(())
    }
}

pub(super) fn encoded((name, value): &(String, String)) -> String {
    format!("{}={}", encode(name), encode(value))
}
