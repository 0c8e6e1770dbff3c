//! [pure] Reads comma-separated values back (RFC 4180), in which a field without quotes and without a
//! letter is null.

use serde_json::{
    Value,
    value::{RawValue, to_raw_value},
};

use crate::schema::{ColumnType, Schema};

/// Hands over the row of each record behind the first, which has the names of the columns, until no
/// more is wanted. Values are those of the columns of `schema`; other columns are left out. Returns
/// whether more would be wanted.
///
/// # Errors
/// In words, for what is not a record.
pub(super) fn each(
    bytes: &[u8],
    schema: &Schema,
    mut take: impl FnMut(Box<RawValue>) -> bool,
) -> Result<bool, String> {
    let text = str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let mut records = Records { text, at: 0 };
    let Some(header) = records.next() else { return Ok(true) };
    let columns = header?.into_iter().map(|name| {
        let name = name.unwrap_or_default();
        schema.get(&name).map(|column| (name, column.kind))
    });
    let columns: Vec<_> = columns.collect();
    for (number, record) in records.enumerate() {
        let record = record?;
        if record.len() != columns.len() {
            let (fields, wanted) = (record.len(), columns.len());
            return Err(format!("record {} has {fields} fields, not {wanted}", number + 2));
        }
        let fields = record.into_iter().zip(&columns);
        let fields = fields.filter_map(|(text, column)| {
            let (name, kind) = column.as_ref()?;
            Some(field(name, text?, *kind))
        });
        let row = format!("{{{}}}", fields.collect::<Vec<_>>().join(","));
        if !take(RawValue::from_string(row).map_err(|error| error.to_string())?) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A field as one of an object of JSON.
fn field(name: &str, text: String, kind: ColumnType) -> String {
    let is_text = matches!(kind, ColumnType::Text | ColumnType::Date | ColumnType::Timestamp);
    let json = if is_text { None } else { serde_json::from_str::<Box<RawValue>>(&text).ok() };
    let value = json.unwrap_or_else(|| raw(&Value::String(text)));
    format!("{}:{value}", raw(&name.into()))
}

fn raw(value: &Value) -> Box<RawValue> {
    to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// The records of a text, each with its fields; those that are empty and not in quotes are `None`.
struct Records<'a> {
    text: &'a str,
    at: usize,
}

impl Iterator for Records<'_> {
    type Item = Result<Vec<Option<String>>, String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.text.len() {
            return None;
        }
        let mut fields = Vec::new();
        loop {
            match self.field() {
                Ok((field, goes_on)) => {
                    fields.push(field);
                    if !goes_on {
                        return Some(Ok(fields));
                    }
                }
                Err(why) => {
                    self.at = self.text.len();
                    return Some(Err(why));
                }
            }
        }
    }
}

impl Records<'_> {
    /// The next field of a record, and whether another follows.
    fn field(&mut self) -> Result<(Option<String>, bool), String> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let (field, end) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let (text, length) = unquoted(quoted)
                    .ok_or_else(|| format!("the quotes at byte {} have no end", self.at))?;
                (Some(text), length + 1)
            }
            None => {
                let end = rest.find([',', '\r', '\n']).unwrap_or(rest.len());
                let text = rest.get(..end).filter(|text| !text.is_empty());
                (text.map(ToOwned::to_owned), end)
            }
        };
        let behind = rest.get(end..).unwrap_or_default();
        let (length, goes_on) = match behind.as_bytes() {
            [b',', ..] => (1, true),
            [b'\r', b'\n', ..] => (2, false),
            [b'\n', ..] => (1, false),
            [] => (0, false),
            _ => return Err(format!("there is more behind the field at byte {}", self.at)),
        };
        self.at += end + length;
        Ok((field, goes_on))
    }
}

/// The text up to the quote that ends it, and how long it is with that quote.
fn unquoted(quoted: &str) -> Option<(String, usize)> {
    let (mut text, mut at) = (String::new(), 0);
    loop {
        let rest = quoted.get(at..)?;
        let quote = rest.find('"')?;
        text.push_str(rest.get(..quote)?);
        at += quote + 1;
        if quoted.as_bytes().get(at) != Some(&b'"') {
            return Some((text, at));
        }
        text.push('"');
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Column;
    use ColumnType::{Bool, Date, Float, Int, Json, Text};

    fn rows(csv: &str, columns: &[(&str, ColumnType)]) -> Result<Vec<String>, String> {
        let column = |(name, kind): &(&str, ColumnType)| Column {
            name: (*name).into(),
            kind: *kind,
            declared: false,
        };
        let schema = Schema { columns: columns.iter().map(column).collect() };
        let mut rows = Vec::new();
        each(csv.as_bytes(), &schema, |row| {
            rows.push(row.get().to_owned());
            true
        })?;
        Ok(rows)
    }

    #[test]
    fn values_are_those_of_their_columns() {
        let columns =
            [("a", Int), ("b", Text), ("c", Bool), ("d", Date), ("e", Json), ("f", Float)];
        let csv = "a,b,c,d,e,f,g\r\n7,7,true,2024-02-29,\"[1,\"\"x\"\"]\",0.5,x\r\n,,,,,,\r\n";
        let first = r#"{"a":7,"b":"7","c":true,"d":"2024-02-29","e":[1,"x"],"f":0.5}"#;
        assert_eq!(rows(csv, &columns).unwrap(), [first, "{}"]);
        // What is none of its column is told by whoever reads the column.
        assert_eq!(rows("a\r\nx\r\n", &columns).unwrap(), [r#"{"a":"x"}"#]);
    }

    #[test]
    fn an_empty_text_is_not_null() {
        let text = [("b", Text)];
        assert_eq!(rows("b\r\n\"\"\r\n\r\n", &text).unwrap(), [r#"{"b":""}"#, "{}"]);
        assert_eq!(rows("", &text).unwrap(), [""; 0]);
        assert_eq!(rows("b\r\n", &text).unwrap(), [""; 0]);
    }

    /// From dathere/qsv#1006, apache/arrow-rs#5110: commas, quotes and ends of lines within quotes.
    #[test]
    fn texts_come_back_as_they_were_whatever_is_in_them() {
        for text in
            ["a,b", "say \"hi\"", "\"", "a\r\nb\nc", " a ", "\\.", "é;☃", "\"\"", "a\"b,\r\n"]
        {
            let csv = format!("b\r\n\"{}\"\r\n", text.replace('"', "\"\""));
            let expected = format!("{{\"b\":{}}}", Value::from(text));
            assert_eq!(rows(&csv, &[("b", Text)]).unwrap(), [expected], "{text:?}");
        }
    }

    #[test]
    fn what_is_no_record_is_an_error() {
        for (csv, named) in [
            ("a,b\r\n1\r\n", "record 2 has 1 fields, not 2"),
            ("a\r\n\"x\r\n", "quotes"),
            ("a\r\n\"x\"y\r\n", "more behind"),
        ] {
            let error = rows(csv, &[("a", Text)]).unwrap_err();
            assert!(error.contains(named), "{csv:?}: {error}");
        }
    }
}
