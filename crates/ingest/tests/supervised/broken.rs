//! A subscriber of the program, which is not the crate's own, that panics when a run begins.

use std::{
    fmt::Debug,
    sync::{Mutex, Once},
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

pub(crate) const WORDS: &str = "the subscriber is broken";

/// The jobs whose runs die, each so many times.
const JOBS: [(&str, u32); 3] = [("unlucky", 2), ("doomed", u32::MAX), ("metered", 1)];

/// Makes them die, in all tests.
pub(crate) fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let broken = Broken(Mutex::new(JOBS.to_vec()));
        tracing::subscriber::set_global_default(broken).unwrap();
    });
}

struct Broken(Mutex<Vec<(&'static str, u32)>>);

impl Broken {
    fn breaks_at(&self, job: &str) -> bool {
        let mut jobs = self.0.lock().unwrap();
        let left = jobs.iter_mut().find(|(name, times)| *name == job && *times > 0);
        left.map(|(_, times)| *times -= 1).is_some()
    }
}

impl Subscriber for Broken {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target() == "vantage_api_ingest::jobs::runner"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut job = Job(String::new());
        event.record(&mut job);
        if self.breaks_at(&job.0) {
            panic!("{WORDS}");
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The job of an event.
struct Job(String);

impl Visit for Job {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "job" {
            self.0 = value.to_owned();
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}
