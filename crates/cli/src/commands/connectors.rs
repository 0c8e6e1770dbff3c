//! `apipool connectors`: the descriptions that the program has.

use std::path::Path;

use vantage_api_connectors::{ALL, Connector};

use crate::{arguments::Connectors, failure::Failure, output};

/// The connector that is named instead of a file. A file of that name goes first.
pub(crate) fn named(file: &Path) -> Option<&'static Connector> {
    let name = file.to_str().filter(|_| !file.is_file())?;
    vantage_api_connectors::find(name)
}

/// Lists all connectors, or prints the description of one.
pub(crate) fn run(arguments: &Connectors) -> Result<(), Failure> {
    let Some(name) = &arguments.name else {
        ALL.iter().for_each(list);
        return Ok(());
    };
    let connector = vantage_api_connectors::find(name).ok_or_else(|| {
        let what = format!("there is no connector `{name}`");
        Failure::Usage(what).advising("`apipool connectors` lists them")
    })?;
    output::text(connector.yaml);
    Ok(())
}

fn list(connector: &Connector) {
    output::line(format_args!("{}\n    {}", connector.name, connector.about));
    let required = connector.required();
    let ways: Vec<_> = connector.ways_to_sign_in().iter().map(|way| way.join(", ")).collect();
    let needs = [required.join(", "), ways.join(", or else ")];
    let needs = needs.iter().filter(|needs| !needs.is_empty()).cloned().collect::<Vec<_>>();
    match needs.is_empty() {
        true => output::line("    needs nothing"),
        false => output::line(format_args!("    needs {}", needs.join("; "))),
    }
}
