//! [pure] Strings that an API may misread in a query parameter: empty ones, and those with white
//! space around them.

use super::filters::Filters;

impl Filters {
    /// The same, with every text sent as it is.
    pub(in crate::vantage) fn taking_any_text(mut self) -> Self {
        let columns = std::mem::take(&mut self.columns).into_iter();
        self.columns = columns.map(|(column, own)| (column, own.taking_any_text())).collect();
        self.blank_texts(true).trims_texts(false)
    }

    /// # Errors
    /// Why the API would misread `text`, in a parameter with the value `form`.
    pub(super) fn check_text(&self, form: &str, text: &str) -> Result<(), &'static str> {
        let visible = text.trim_matches(is_space);
        let is_whole_value = form == "{value}";
        if !is_whole_value || !text.is_empty() && visible.len() == text.len() {
            return Ok(());
        }
        if visible.is_empty() && !self.blank_texts {
            return Err("the API may take an empty text for no condition");
        }
        match self.is_trimmed() && !text.is_empty() {
            true => Err("the API drops white space at the ends of texts"),
            false => Ok(()),
        }
    }
}

setters! { Filters {
    /// Whether a parameter without text, as in `name=`, means rows with an empty string. Many APIs
    /// treat it as no condition and respond with all rows. So by default a string that is empty or
    /// all white space is not sent if it would be the whole value of its parameter: under
    /// [`Filtering::Mixed`](crate::vantage::Filtering::Mixed) and similar it is evaluated on the
    /// rows, otherwise it is `Unsupported` when the table is read. The parameters of
    /// [`custom`](Self::custom) and [`combined`](Self::combined) are always sent.
    blank_texts(yes: bool): blank_texts = yes;
    /// Whether the API trims white space around texts, so that it would find other rows. Then a
    /// text with white space around it is treated like a [blank](Self::blank_texts) one. The
    /// default is false, but true for [`suffixes`](Self::suffixes).
    trims_texts(yes: bool): trims_texts = Some(yes);
} }

/// JavaScript trims the byte order mark too, and Python the separators among the controls.
fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{feff}' | '\u{1c}'..='\u{1f}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vantage::{Lists, Operator};

    fn asked(filters: &Filters, operator: Operator, values: &[&str]) -> Option<Vec<String>> {
        let values: Vec<_> = values.iter().map(|value| Some((*value).to_owned())).collect();
        let requests = filters.parameters("n", "n", operator, &values).ok()?;
        let shown = requests.into_iter().flatten().map(|(name, value)| format!("{name}={value}"));
        Some(shown.collect())
    }

    #[test]
    fn a_text_that_the_api_may_take_for_no_condition_is_not_sent() {
        let equality = || Filters::equality().lists(Lists::Requests);
        let brackets = Filters::brackets("f").lists(Lists::Repeated);
        for filters in
            [equality(), equality().lists(Lists::Repeated), Filters::suffixes(), brackets]
        {
            for blank in ["", "  ", "\u{a0}\n", "\u{1c}", "\u{feff}"] {
                assert_eq!(asked(&filters, Operator::Eq, &[blank]), None, "{blank:?}");
                assert_eq!(asked(&filters, Operator::In, &["x", blank]), None, "{blank:?}");
                let own = Filters::none().column("n", filters.clone());
                assert_eq!(asked(&own, Operator::Eq, &[blank]), None, "{blank:?}");
            }
            let exact = filters.blank_texts(true);
            assert!(
                asked(&exact, Operator::Eq, &[""])
                    .is_some_and(|all| all[0].ends_with("n=") || all[0].ends_with("]="))
            );
        }
        assert_eq!(asked(&Filters::suffixes(), Operator::Contains, &[""]), None);
        let within = Filters::none().operator(Operator::Eq, "{field}=eq.{value}");
        assert_eq!(asked(&within, Operator::Eq, &[""]).unwrap(), ["n=eq."]);
        let own =
            Filters::none().custom(|field, _, texts| Some(vec![(field.into(), texts.concat())]));
        assert_eq!(asked(&own, Operator::Eq, &[""]).unwrap(), ["n="]);
    }

    #[test]
    fn white_space_around_a_text_is_sent_where_the_api_keeps_it() {
        let suffixes = Filters::suffixes();
        for values in [&[" x"], &["x\n"], &[" "]] {
            assert_eq!(asked(&suffixes, Operator::Eq, values), None);
            assert_eq!(asked(&suffixes.clone().blank_texts(true), Operator::Eq, values), None);
        }
        assert_eq!(asked(&suffixes, Operator::In, &["x ", "y"]), None);
        assert_eq!(asked(&suffixes, Operator::Eq, &["x y"]).unwrap(), ["n=x y"]);
        let kept = suffixes.trims_texts(false);
        assert_eq!(asked(&kept, Operator::Eq, &[" x"]).unwrap(), ["n= x"]);
        assert_eq!(asked(&Filters::equality(), Operator::Eq, &[" x"]).unwrap(), ["n= x"]);
        let blank = Filters::equality().blank_texts(true);
        assert_eq!(asked(&blank, Operator::Eq, &["  "]).unwrap(), ["n=  "]);
    }
}
