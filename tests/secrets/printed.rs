//! Everything that a program could print: values, errors with their causes, traces and
//! the text of panics.

use std::{
    collections::BTreeSet,
    error::Error as StdError,
    fmt::{Debug, Display},
    io,
    sync::{Arc, Mutex},
};

use tracing_subscriber::{
    fmt::{MakeWriter, format::FmtSpan},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};
use vantage_api_pool::Error;

/// What was printed so far.
#[derive(Clone, Default)]
pub(crate) struct Printed {
    text: Arc<Mutex<Vec<u8>>>,
    kinds: Arc<Mutex<BTreeSet<&'static str>>>,
}

impl Printed {
    /// Takes in every trace and every panic of this process from now on.
    pub(crate) fn of_this_process() -> Self {
        let printed = Self::default();
        let layer = tracing_subscriber::fmt::layer()
            .with_writer(printed.clone())
            .with_span_events(FmtSpan::FULL);
        tracing_subscriber::registry().with(layer).init();
        let panics = printed.clone();
        std::panic::set_hook(Box::new(move |panic| panics.display(panic)));
        printed
    }

    pub(crate) fn debug(&self, value: &impl Debug) {
        self.add(&format!("{value:?}\n{value:#?}\n"));
    }

    pub(crate) fn display(&self, value: &(impl Display + ?Sized)) {
        self.add(&format!("{value}\n"));
    }

    pub(crate) fn error(&self, error: &Error) {
        self.kinds.lock().unwrap().insert(error.kind_name());
        self.debug(error);
        let mut cause: Option<&dyn StdError> = Some(error);
        while let Some(error) = cause {
            self.display(error);
            cause = error.source();
        }
    }

    /// The kinds of all errors.
    pub(crate) fn kinds(&self) -> BTreeSet<&'static str> {
        self.kinds.lock().unwrap().clone()
    }

    pub(crate) fn all(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap()).into_owned()
    }

    fn add(&self, text: &str) {
        self.text.lock().unwrap().extend_from_slice(text.as_bytes());
    }
}

impl io::Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Printed {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
