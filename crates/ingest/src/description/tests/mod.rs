use std::fmt::Write as _;

use super::*;

mod broken;
mod for_each;
mod gateway;
mod secrets;
mod whole;

fn reader() -> Reader {
    let variables = [("TOKEN", "s3cret-token"), ("host", ""), ("WORKERS", "7")];
    Reader::new().environment(variables)
}

/// A file with these lines in its only stream.
fn with_stream(lines: &str) -> String {
    let mut yaml = String::from(
        "api: { base_url: https://example.com }\n\
         tables:\n\
         - { name: plain }\n\
         - { name: keyed, id: id, columns: { id: int }, api: { endpoint: 'a/{b}/c' } }\n\
         - { name: short, api: { max_rows: 7 } }\n\
         jobs:\n\
         \x20 copy:\n\
         \x20   sink: { csv: out }\n\
         \x20   streams:\n",
    );
    for (index, line) in lines.lines().enumerate() {
        let mark = if index == 0 { '-' } else { ' ' };
        writeln!(yaml, "    {mark} {line}").unwrap();
    }
    yaml
}

fn refused(yaml: &str) -> DescriptionError {
    reader().read_yaml(yaml).map(drop).expect_err(yaml)
}
