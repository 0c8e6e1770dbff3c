//! Which pages may be answered yet.

use std::collections::HashSet;

use tokio::sync::watch;

pub struct Gate(watch::Sender<Passage>);

struct Passage {
    all: bool,
    pages: HashSet<u64>,
}

impl Gate {
    pub fn new(closed: bool) -> Self {
        Self(watch::Sender::new(Passage { all: !closed, pages: HashSet::new() }))
    }

    pub fn open(&self, page: u64) {
        self.0.send_modify(|passage| {
            passage.pages.insert(page);
        });
    }

    pub fn open_all(&self) {
        self.0.send_modify(|passage| passage.all = true);
    }

    /// Waits until `page` may be answered.
    pub async fn pass(&self, page: u64) {
        let mut changes = self.0.subscribe();
        let _ = changes.wait_for(|passage| passage.all || passage.pages.contains(&page)).await;
    }
}
