//! CSV: each record is an item.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use ::csv::{ErrorKind, ReaderBuilder, StringRecord, Trim};

use crate::{
    error::ExtractError,
    extract::{Body, Extract},
    extraction::Extraction,
    field::{Column, Field},
    fields::{Fields, Place, field_setters},
    items::Items,
};

/// Items of CSV (RFC 4180): its records. Without any field, each column is one, as text, by its
/// name in the header. The place of a field is the name of a column.
///
/// Every record has as many fields as the first one, and a quote that is never closed is an error:
/// a body that was cut must not look complete.
///
/// ```
/// use vantage_api_extract::{Csv, Field};
///
/// let cities = Csv::new()
///     .delimiter(b';')
///     .field("city", "Name")
///     .field("people", Field::new("Population").integer())
///     .build()?;
/// let csv = b"Name;Country;Population\nAccra;\"Ghana\";2600000\n";
/// let page = cities.page(csv, Some("text/csv"), None)?;
/// assert_eq!(page, r#"{"data":[{"city":"Accra","people":2600000}]}"#);
///
/// let all = Csv::new().names(["id", "name"]).build()?;
/// assert_eq!(all.page(b"1,a\n", None, None)?, r#"{"data":[{"id":"1","name":"a"}]}"#);
/// # Ok::<(), vantage_api_extract::ExtractError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Csv {
    fields: Fields,
    names: Option<Vec<String>>,
    delimiter: u8,
    quote: u8,
    comment: Option<u8>,
    trims: bool,
}

impl Default for Csv {
    fn default() -> Self {
        Self::new()
    }
}

impl Csv {
    /// Commas, double quotes, and a header.
    pub fn new() -> Self {
        Self {
            fields: Fields::default(),
            names: None,
            delimiter: b',',
            quote: b'"',
            comment: None,
            trims: false,
        }
    }

    field_setters!();

    /// The names of the columns, if the body has no header.
    pub fn names<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.names = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// What is between fields: a comma by default.
    pub fn delimiter(mut self, byte: u8) -> Self {
        self.delimiter = byte;
        self
    }

    /// What is around fields: a double quote by default. A quote inside is written twice.
    pub fn quote(mut self, byte: u8) -> Self {
        self.quote = byte;
        self
    }

    /// Lines that begin with this byte are skipped. By default there are none.
    pub fn comment(mut self, byte: u8) -> Self {
        self.comment = Some(byte);
        self
    }

    /// Whether white space around fields, and around the names in the header, is no part of them.
    pub fn trims(mut self, yes: bool) -> Self {
        self.trims = yes;
        self
    }

    /// The extractor.
    ///
    /// # Errors
    /// [`ExtractError::Setting`] for an invalid field, names that occur twice, a column that is
    /// none of the [names](Self::names), and bytes that cannot be told apart.
    pub fn build(self) -> Result<Extraction, ExtractError> {
        let identity = format!("{self:?}");
        let bytes = [Some(self.delimiter), Some(self.quote), self.comment];
        let bytes: Vec<u8> = bytes.into_iter().flatten().collect();
        let is_usable = |at: usize, byte: &u8| {
            byte.is_ascii() && !matches!(byte, b'\r' | b'\n') && !bytes[..at].contains(byte)
        };
        if !bytes.iter().enumerate().all(|(at, byte)| is_usable(at, byte)) {
            let reason = "delimiter, quote and comment are three ASCII characters of one line";
            return Err(ExtractError::setting("csv", reason));
        }
        if let Some(names) = &self.names {
            check_names(names.iter().map(String::as_str))
                .map_err(|name| ExtractError::setting("names", format!("`{name}` occurs twice")))?;
            let known = |place: &str| names.iter().any(|name| name == place);
            if let Some(place) = self.fields.places().find(|place| !known(place)) {
                return Err(ExtractError::setting("names", format!("there is no `{place}`")));
            }
        }
        let fields = match (self.fields.is_empty(), &self.names) {
            (true, None) => None,
            (true, Some(names)) => Some(all_of(names.iter().map(String::as_str)).compiled()?),
            (false, _) => Some(self.fields.clone().compiled()?),
        };
        Ok(Extraction::new(Compiled { csv: self, identity, fields }))
    }
}

/// # Errors
/// A name that occurs twice.
fn check_names<'n>(mut names: impl Iterator<Item = &'n str>) -> Result<(), String> {
    let mut seen = HashSet::new();
    names.find(|name| !seen.insert(*name)).map_or(Ok(()), |name| Err(name.to_owned()))
}

/// Each column as a field of its name.
fn all_of<'n>(names: impl Iterator<Item = &'n str>) -> Fields {
    let mut fields = Fields::default();
    names.for_each(|name| fields.push(name.to_owned(), Field::new(name)));
    fields
}

struct Compiled {
    csv: Csv,
    identity: String,
    /// Unless they are those of the header.
    fields: Option<(Vec<Column>, Vec<Place>)>,
}

impl Extract for Compiled {
    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn content_types(&self) -> &[&str] {
        &[
            "text/csv",
            "text/plain",
            "text/tab-separated-values",
            "application/csv",
            "application/vnd.ms-excel",
            "application/octet-stream",
            "binary/octet-stream",
        ]
    }

    fn items_by(&self) -> String {
        "a record".to_owned()
    }

    fn extract(&self, body: &Body<'_>, items: &mut Items) -> Result<(), ExtractError> {
        let text = body.text()?;
        let mut reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(false)
            .delimiter(self.csv.delimiter)
            .quote(self.csv.quote)
            .comment(self.csv.comment)
            .trim(if self.csv.trims { Trim::All } else { Trim::None })
            .from_reader(text.as_bytes());
        let mut record = StringRecord::new();
        let mut header = self.csv.names.clone();
        let mut read: Option<Reading<'_>> = None;
        let mut last = 0;
        loop {
            let start = reader.position().byte();
            if !reader.read_record(&mut record).map_err(|error| malformed(&error))? {
                break;
            }
            last = usize::try_from(start).unwrap_or(usize::MAX);
            if record.as_slice().len() > items.limits().item_bytes {
                return Err(items.limits().exceeded("item_bytes"));
            }
            if header.is_none() {
                items.hold(self.memory_of(&record))?;
                header = Some(record.iter().map(str::to_owned).collect());
                continue;
            }
            let reading = match &mut read {
                Some(reading) => reading,
                None => {
                    let reading = self.reading(header.as_deref().unwrap_or_default(), &record)?;
                    items.check_time()?;
                    read.insert(reading)
                }
            };
            reading.write(&record, items)?;
        }
        if is_left_open(text.get(last..).unwrap_or_default(), &self.csv) {
            return Err(ExtractError::malformed("CSV", "the last quote is never closed"));
        }
        Ok(())
    }
}

/// The fields of one body, and the columns that they are in.
struct Reading<'c> {
    own: Option<(Vec<Column>, Vec<Place>)>,
    set: Option<&'c (Vec<Column>, Vec<Place>)>,
    /// The number of the column of each place.
    at: Vec<usize>,
}

impl Compiled {
    /// What the header of a body takes, with the fields that it names unless they are set.
    fn memory_of(&self, header: &StringRecord) -> usize {
        let name = size_of::<String>();
        let of_fields = match &self.fields {
            Some(_) => 0,
            // Each has its name in several places.
            None => 4 * name + size_of::<(String, Field)>() + size_of::<(Column, Place)>(),
        };
        let all = header.len().saturating_mul(name + of_fields);
        all.saturating_add(header.as_slice().len())
    }

    fn reading(
        &self,
        header: &[String],
        first: &StringRecord,
    ) -> Result<Reading<'_>, ExtractError> {
        if header.len() != first.len() {
            let reason = format!("{} names, and {} fields", header.len(), first.len());
            return Err(ExtractError::malformed("CSV", reason));
        }
        check_names(header.iter().map(String::as_str))
            .map_err(|_| ExtractError::malformed("CSV", "a name occurs twice in the header"))?;
        let own = match &self.fields {
            Some(_) => None,
            None => Some(all_of(header.iter().map(String::as_str)).compiled()?),
        };
        let set = self.fields.as_ref();
        let places = set.or(own.as_ref()).map_or(&[][..], |(_, places)| places.as_slice());
        let numbers: HashMap<&str, usize> = header.iter().map(String::as_str).zip(0..).collect();
        let column = |place: &Place| {
            numbers.get(place.place.as_str()).copied().ok_or_else(|| {
                ExtractError::malformed("CSV", format!("there is no column `{}`", place.place))
            })
        };
        let at = places.iter().map(column).collect::<Result<Vec<_>, _>>()?;
        Ok(Reading { own, set, at })
    }
}

impl Reading<'_> {
    fn write(&self, record: &StringRecord, items: &mut Items) -> Result<(), ExtractError> {
        let Some((columns, places)) = self.set.or(self.own.as_ref()) else { return Ok(()) };
        let mut texts: Vec<Vec<Cow<'_, str>>> = vec![Vec::new(); columns.len()];
        for (place, at) in places.iter().zip(&self.at) {
            if let (Some(texts), Some(field)) = (texts.get_mut(place.column), record.get(*at)) {
                texts.push(field.into());
            }
        }
        items.row(columns, &texts)
    }
}

fn malformed(error: &::csv::Error) -> ExtractError {
    let line = error.position().map_or(0, ::csv::Position::line);
    let reason = match error.kind() {
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("line {line} has {len} fields, and those before it {expected_len}")
        }
        _ => format!("line {line} cannot be read"),
    };
    ExtractError::malformed("CSV", reason)
}

/// Whether the last record ends inside a quote.
fn is_left_open(record: &str, csv: &Csv) -> bool {
    #[derive(PartialEq)]
    enum At {
        LineStart,
        FieldStart,
        Plain,
        Quoted,
        /// A quote has closed, unless another one follows.
        Closed,
        Comment,
    }
    let mut at = At::LineStart;
    for byte in record.bytes() {
        let is_quote = byte == csv.quote;
        at = match at {
            At::Quoted if is_quote => At::Closed,
            At::Quoted => At::Quoted,
            At::Closed if is_quote => At::Quoted,
            At::Comment if byte != b'\n' => At::Comment,
            _ if matches!(byte, b'\r' | b'\n') => At::LineStart,
            At::LineStart if Some(byte) == csv.comment => At::Comment,
            At::LineStart | At::FieldStart if is_quote => At::Quoted,
            _ if byte == csv.delimiter => At::FieldStart,
            _ => At::Plain,
        };
    }
    at == At::Quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_that_is_never_closed_is_seen() {
        for (record, is_open) in [
            ("a,b\n", false),
            ("a,\"b\"\n", false),
            ("a,\"b", true),
            ("a,\"b\"\"", true),
            ("a,\"b\"\"\"", false),
            ("a,5\" pipe", false),
            ("a,5\"\"", false),
            ("\"", true),
            ("\"\"", false),
            ("\"a\n\nb", true),
            ("", false),
        ] {
            assert_eq!(is_left_open(record, &Csv::new()), is_open, "{record:?}");
        }
    }
}
