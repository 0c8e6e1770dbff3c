//! [pure] The envelope of a list: `{"data": [rows], "pagination": {…}}`.

use std::io::Write as _;

use super::read::Rows;
use crate::{Problem, json::Shape, query::Window};

/// The body of a list.
///
/// # Errors
/// 422 if it would have more than `most` bytes.
pub(super) fn envelope(
    shape: &Shape<'_>,
    rows: &Rows,
    window: &Window,
    next_cursor: Option<&str>,
    most: usize,
) -> Result<Vec<u8>, Problem> {
    let mut out = Vec::with_capacity(256 + rows.rows.len() * 96);
    out.extend_from_slice(b"{\"data\":[");
    for (nth, (id, record)) in rows.rows.iter().enumerate() {
        if nth > 0 {
            out.push(b',');
        }
        shape.write(&mut out, id, record);
        if out.len() > most {
            return Err(too_large(most));
        }
    }
    out.extend_from_slice(b"],\"pagination\":{");
    pagination(&mut out, rows, window, next_cursor);
    out.extend_from_slice(b"}}");
    Ok(out)
}

fn pagination(out: &mut Vec<u8>, rows: &Rows, window: &Window, next_cursor: Option<&str>) {
    let total = rows.total.map_or_else(|| "null".to_owned(), |total| total.to_string());
    let has_next = rows.has_next;
    // A `Vec` takes everything.
    let _ = match window {
        Window::Page { page, per_page } => {
            let has_prev = *page > 1;
            let pages = rows.total.map_or_else(
                || "null".to_owned(),
                |total| total.div_ceil(u64::try_from(*per_page).unwrap_or(1).max(1)).to_string(),
            );
            write!(
                out,
                "\"page\":{page},\"per_page\":{per_page},\"total\":{total},\
                 \"total_pages\":{pages},\"has_next\":{has_next},\"has_prev\":{has_prev}"
            )
        }
        Window::Offset { offset, limit } => {
            let has_prev = *offset > 0;
            write!(
                out,
                "\"offset\":{offset},\"limit\":{limit},\"total\":{total},\
                 \"has_next\":{has_next},\"has_prev\":{has_prev}"
            )
        }
        Window::Cursor { limit, .. } => {
            // A cursor is base64.
            let next = next_cursor.map_or_else(|| "null".to_owned(), |next| format!("\"{next}\""));
            write!(
                out,
                "\"limit\":{limit},\"total\":{total},\"has_next\":{has_next},\
                 \"next_cursor\":{next}"
            )
        }
    };
}

pub(super) fn too_large(most: usize) -> Problem {
    Problem::unprocessable("answer_too_large", "the answer would be too large").with_detail(format!(
        "it may have {most} bytes: ask for fewer rows by per_page or limit, for fewer columns by \
         select, or for a stream by Accept: application/x-ndjson"
    ))
}
