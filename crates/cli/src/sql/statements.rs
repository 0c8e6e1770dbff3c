//! Cuts a text into statements, at the semicolons that the parser of SQL sees.

use std::str::CharIndices;

use vantage_api_sql::datafusion::sql::sqlparser::{
    dialect::GenericDialect,
    tokenizer::{Location, Token, Tokenizer, TokenizerError},
};

/// A text that is cut.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cut<'a> {
    /// The statements that a semicolon ends, without it.
    pub(crate) statements: Vec<&'a str>,
    /// What is behind the last of them.
    pub(crate) rest: &'a str,
    /// Whether there is nothing in the rest but spaces and comments that have ended.
    pub(crate) is_over: bool,
}

impl<'a> Cut<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        let (mut tokens, dialect) = (Vec::new(), GenericDialect {});
        let mut tokenizer = Tokenizer::new(&dialect, text);
        let read = tokenizer.tokenize_with_location_into_buf(&mut tokens);
        let (mut cut, mut start) = (Self { statements: Vec::new(), rest: "", is_over: true }, 0);
        let mut places = Places { chars: text.char_indices(), line: 1, column: 1 };
        for token in &tokens {
            match token.token {
                Token::Whitespace(_) => {}
                Token::SemiColon => {
                    let end = places.offset_of(token.span.start);
                    if !cut.is_over {
                        cut.statements.extend(text.get(start..end).map(str::trim));
                    }
                    (start, cut.is_over) = (end + 1, true);
                }
                _ => cut.is_over = false,
            }
        }
        cut.rest = text.get(start..).unwrap_or_default();
        if let Err(error) = read {
            cut.is_over = false;
            // No semicolon would be seen behind what is not SQL, so its statement ends here.
            if !is_open(&error) && cut.rest.contains(';') {
                cut.statements.push(cut.rest.trim());
                (cut.rest, cut.is_over) = ("", true);
            }
        }
        cut
    }

    /// All statements, also one at the end without a semicolon.
    pub(crate) fn all(self) -> Vec<&'a str> {
        let Self { mut statements, rest, is_over } = self;
        if !is_over {
            statements.push(rest.trim());
        }
        statements
    }
}

/// Whether a text only lacks the end of a quotation or a comment.
fn is_open(error: &TokenizerError) -> bool {
    error.message.starts_with("Unterminated") || error.message.contains("EOF")
}

/// Finds places of a text, each behind the last.
struct Places<'a> {
    chars: CharIndices<'a>,
    line: u64,
    column: u64,
}

impl Places<'_> {
    fn offset_of(&mut self, place: Location) -> usize {
        while (self.line, self.column) < (place.line, place.column)
            && let Some((_, char)) = self.chars.next()
        {
            (self.line, self.column) = match char {
                '\n' => (self.line + 1, 1),
                _ => (self.line, self.column + 1),
            };
        }
        self.chars.offset()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The statements, and the rest if it is not over.
    fn cut(text: &str) -> (Vec<&str>, Option<&str>) {
        let Cut { statements, rest, is_over } = Cut::of(text);
        (statements, (!is_over).then_some(rest))
    }

    #[test]
    fn statements_end_at_semicolons() {
        assert_eq!(cut(""), (vec![], None));
        assert_eq!(cut(" ;;\n; "), (vec![], None));
        assert_eq!(cut("SELECT 1; SELECT 2 ;"), (vec!["SELECT 1", "SELECT 2"], None));
        assert_eq!(cut("SELECT 1;\nSELECT\n"), (vec!["SELECT 1"], Some("\nSELECT\n")));
        assert_eq!(Cut::of("a; b").all(), ["a", "b"]);
        assert_eq!(Cut::of("a; ").all(), ["a"]);
    }

    // trinodb/trino#1903, nao1215/sqly#832
    #[test]
    fn quotations_keep_their_semicolons() {
        for text in [
            "SELECT ';'",
            "SELECT 'it''s;'",
            "SELECT \"a;b\" FROM t",
            "SELECT `a;b` FROM t",
            "SELECT $$a;b$$",
            "SELECT E'\\';'",
            "SELECT 'ä;\n;ö'",
        ] {
            assert_eq!(cut(&format!("{text};")), (vec![text], None), "{text}");
        }
    }

    // apache/datafusion#297, apache/datafusion#7071, apache/spark#55466
    #[test]
    fn comments_keep_their_semicolons_and_are_no_statements() {
        let text = "-- a;\nSELECT 1 /* ; /* ; */ */ + 1; -- b;\n/* c; */";
        assert_eq!(cut(text), (vec!["-- a;\nSELECT 1 /* ; /* ; */ */ + 1"], None));
        assert_eq!(cut("SELECT 1; SELECT 2 /* c */").1, Some(" SELECT 2 /* c */"));
        assert_eq!(cut("-- only;\n"), (vec![], None));
    }

    #[test]
    fn what_is_not_closed_goes_on() {
        for text in ["SELECT 'a;", "SELECT \"a;", "SELECT /* a;", "SELECT $$a;"] {
            assert_eq!(cut(text), (vec![], Some(text)), "{text}");
        }
        assert_eq!(cut("SELECT 1; SELECT 'a;"), (vec!["SELECT 1"], Some(" SELECT 'a;")));
    }

    #[test]
    fn places_are_found_behind_any_characters() {
        let text = "SELECT 'ß€😀'\r\n, '日本'; SELECT 2;";
        assert_eq!(cut(text).0, ["SELECT 'ß€😀'\r\n, '日本'", "SELECT 2"]);
    }
}
