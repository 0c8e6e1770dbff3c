//! [pure] Drafts from OpenAPI specifications.
//!
//! References are followed where something is needed of what they lead to, and never all at once,
//! so that schemas may contain themselves. How far is bounded (`document`).

mod document;
mod error;
mod operation;
mod paging;
mod schema;
mod search;
mod security;
mod servers;
mod tables;
#[cfg(test)]
mod tests;

use document::Document;
pub use error::OpenApiError;

use crate::{api::Settings, draft::Draft};

/// Drafts a description by a specification in OpenAPI 2.0, 3.0 or 3.1, in JSON or YAML, whose name
/// is for a comment. Nothing is sent, and no file is read.
///
/// Each path that answers a GET with a list becomes a table. A table is part of the job of the
/// draft if the specification says how it pages.
///
/// ```
/// use vantage_api_discover::{Settings, from_openapi};
///
/// let specification = r##"
/// openapi: 3.0.3
/// servers: [{ url: https://api.example.com/v1 }]
/// paths:
///   /cities:
///     get:
///       parameters:
///         - { name: page, in: query, schema: { type: integer } }
///         - { name: per_page, in: query, schema: { type: integer, maximum: 200 } }
///       responses:
///         200:
///           content:
///             application/json:
///               schema:
///                 type: object
///                 properties:
///                   total: { type: integer }
///                   items: { type: array, items: { $ref: "#/components/schemas/City" } }
/// components:
///   schemas:
///     City: { type: object, properties: { id: { type: integer }, name: { type: string } } }
/// "##;
/// let draft = from_openapi(specification, "cities.yaml", &Settings::default())?;
/// assert!(draft.to_yaml().contains("size_param: per_page, size: 200"));
/// # Ok::<(), vantage_api_discover::OpenApiError>(())
/// ```
///
/// # Errors
/// If the text is neither JSON nor YAML, or no specification.
pub fn from_openapi(text: &str, name: &str, settings: &Settings) -> Result<Draft, OpenApiError> {
    let document = Document::parse(text)?;
    let mut draft = Draft::new(format!("the specification {name}"), String::new());
    servers::place(&document, &mut draft);
    let used = tables::add(&document, &mut draft);
    match &settings.auth {
        Some(auth) => draft.auth.push((auth.clone(), String::new())),
        None => security::add(&document, &used, &mut draft),
    }
    draft.headers.clone_from(&settings.headers);
    if draft.tables.is_empty() {
        return Err(OpenApiError::NoLists);
    }
    Ok(draft)
}
