//! [pure] Why there is no draft of a specification.

/// Why a text is not a specification that a draft can be made of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenApiError {
    /// It is neither JSON nor YAML.
    #[error("it is neither JSON nor YAML: {0}")]
    Syntax(String),
    /// It has neither `openapi` nor `swagger`.
    #[error(
        "it is not an OpenAPI specification: it has neither `openapi: 3.…` nor `swagger: \"2.0\"`"
    )]
    NoSpecification,
    /// It is of a version that is not known.
    #[error("its version is `{0}`, and 2.0, 3.0 and 3.1 are known")]
    Version(String),
    /// It has no paths.
    #[error("it has no `paths`")]
    NoPaths,
    /// No path answers a GET with a list of objects.
    #[error("none of its paths answers a GET with a list of objects, so write the tables by hand")]
    NoLists,
}
