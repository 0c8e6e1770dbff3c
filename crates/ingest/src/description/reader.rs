//! Reads descriptions, with variables that the program gives.

use std::{fmt, path::Path};

use super::{
    Data, Description, GatewayDescription, check,
    error::DescriptionError,
    extract,
    file::{self, Failure, KeyPath, Node, Surroundings},
    query,
    raw::{RawSettings, Source},
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
        self.read(&text, Some(path))
    }

    /// Reads a text in YAML or JSON. Files that it names are looked for in the working directory.
    ///
    /// # Errors
    /// If it is not a description.
    pub fn read_yaml(&self, text: &str) -> Result<Description, DescriptionError> {
        self.read(text, None)
    }

    fn read(&self, text: &str, file: Option<&Path>) -> Result<Description, DescriptionError> {
        let folder = file.and_then(Path::parent).unwrap_or(Path::new(""));
        let read = self.read_in(folder, text);
        let (mut description, mut root) =
            read.map_err(|failure| DescriptionError::new(failure, text, file))?;
        if let Some(gateway) = &mut description.gateway {
            let source = Source { text: text.into(), file: file.map(Path::to_owned) };
            fill(gateway, &mut root, &source);
        }
        Ok(description)
    }

    /// Reads a text whose files are in `folder`.
    fn read_in(&self, folder: &Path, text: &str) -> Result<(Description, Node), Failure> {
        let prepare = |root: &mut Node| extract::look_in(folder, root);
        let (data, root) = file::read::<Data>(text, &self.surroundings, prepare)?;
        let mut description = Description::from(data);
        check::complete(&mut description, &root);
        check::check(&description, &root)?;
        query::read(&mut description, folder, &root)?;
        Ok((description, root))
    }
}

/// Sets what the gateway itself reads.
fn fill(gateway: &mut GatewayDescription, root: &mut Node, source: &Source) {
    let mut raw = |key: &str, own: &str| {
        let mut node = root.get_mut("gateway")?.take(key)?.value;
        node.take(own);
        Some(RawSettings::of(node, KeyPath::default().to("gateway").to(key), source))
    };
    gateway.limits = raw("limits", "").unwrap_or_default();
    if let Some(kv) = &mut gateway.kv {
        kv.settings = raw("kv", "path").unwrap_or_default();
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.surroundings.given.keys();
        f.debug_struct("Reader").field("variables", &names.collect::<Vec<_>>()).finish()
    }
}
