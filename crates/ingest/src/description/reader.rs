//! Reads descriptions, with variables that the program gives.

use std::{fmt, path::Path};

use super::{
    Data, Description, check,
    error::DescriptionError,
    extract,
    file::{self, Failure, Node, Surroundings},
    query,
};

/// Reads descriptions, with variables that the program gives:
///
/// ```
/// use vantage_api_ingest::description::Reader;
///
/// let reader = Reader::new().variable("TOKEN", "abc");
/// let description = reader.read_yaml(
///     "api: { base_url: \"https://${HOST:-example.com}\", auth: { bearer: \"${TOKEN}\" } }",
/// )?;
/// # let _ = description;
/// # Ok::<(), vantage_api_ingest::description::DescriptionError>(())
/// ```
///
/// The value of a variable is the one that is given, or else that of the environment, or else the
/// one in the `vars` of the file. An empty variable of the environment counts as not set.
#[derive(Clone, Default)]
#[must_use]
pub struct Reader {
    surroundings: Surroundings,
}

impl Reader {
    /// A reader with the environment of the process.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives a variable, as from a command line.
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.surroundings.given.insert(name.into(), value.into());
        self
    }

    /// Takes these variables instead of the environment of the process.
    pub fn environment<N: Into<String>, V: Into<String>>(
        mut self,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let variables = variables.into_iter();
        let variables = variables.map(|(name, value)| (name.into(), value.into()));
        self.surroundings.environment = Some(variables.collect());
        self
    }

    /// Reads a file.
    ///
    /// # Errors
    /// If it cannot be read, or is not a description.
    pub fn read_file(&self, path: impl AsRef<Path>) -> Result<Description, DescriptionError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|error| DescriptionError::unreadable(path, error))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let read = self.read(&text, folder);
        read.map_err(|failure| DescriptionError::new(failure, &text, Some(path)))
    }

    /// Reads a text in YAML or JSON. Files that it names are looked for in the working directory.
    ///
    /// # Errors
    /// If it is not a description.
    pub fn read_yaml(&self, text: &str) -> Result<Description, DescriptionError> {
        self.read(text, Path::new("")).map_err(|failure| DescriptionError::new(failure, text, None))
    }

    /// Reads a text whose files are in `folder`.
    fn read(&self, text: &str, folder: &Path) -> Result<Description, Failure> {
        let prepare = |root: &mut Node| extract::look_in(folder, root);
        let (data, root) = file::read::<Data>(text, &self.surroundings, prepare)?;
        let mut description = Description::from(data);
        check::complete(&mut description, &root);
        check::check(&description, &root)?;
        query::read(&mut description, folder, &root)?;
        Ok(description)
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.surroundings.given.keys();
        f.debug_struct("Reader").field("variables", &names.collect::<Vec<_>>()).finish()
    }
}
