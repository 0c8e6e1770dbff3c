//! [pure] What is said of the ways that were tried.

use super::{evidence::Named, proof::Proof, stages::Seen};

/// What a try has shown.
pub(super) fn said(proof: Option<Proof>, status: u16) -> String {
    match proof {
        Some(Proof::Same) => "the same rows again".to_owned(),
        Some(Proof::Overlap) => "some of the rows again".to_owned(),
        Some(Proof::Empty) => "no rows".to_owned(),
        Some(Proof::Next) => "rows of another range".to_owned(),
        None if (200..300).contains(&status) => "no page".to_owned(),
        None => format!("status {status}"),
    }
}

/// What says that more rows follow.
pub(super) fn says_more_by(first: &Seen) -> String {
    let evidence = &first.evidence;
    let flag = evidence.more.iter().find(|(_, more)| *more).map(|(path, _)| path.to_string());
    let last = || evidence.last.iter().find(|(_, last)| !*last).map(|(path, _)| path.to_string());
    let pointer = || {
        let mut pointers = evidence.pointers.iter();
        pointers.find(|pointer| pointer.is != Named::Nothing).map(|pointer| pointer.at.clone())
    };
    let count = || {
        let mut counts = evidence.totals.iter().chain(&evidence.pages);
        counts.find(|(_, count)| *count > 1).map(|(spot, _)| spot.key().to_owned())
    };
    let found = flag.or_else(last).or_else(pointer).or_else(count);
    found.map_or_else(|| "the header `Link`".to_owned(), |name| format!("`{name}`"))
}
