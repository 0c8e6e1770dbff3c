//! The HTTP clients of one worker for APIs other than the pool's, to which a stream's next page
//! may lead.

use std::{cell::RefCell, rc::Rc};

use crate::{base_url::BaseUrl, dispatch::Dispatcher, error::Error, transport::Client};

/// How many clients are kept. One more replaces the oldest.
const MOST_CLIENTS: usize = 8;

/// The clients, with their origins.
#[derive(Default)]
pub(super) struct ForeignClients(RefCell<Vec<(String, Rc<Client>)>>);

impl ForeignClients {
    /// The client for the origin of `base`.
    pub(super) fn client(
        &self,
        base: &BaseUrl,
        dispatcher: &Dispatcher,
    ) -> Result<Rc<Client>, Error> {
        let mut clients = self.0.borrow_mut();
        if let Some((_, client)) = clients.iter().find(|(origin, _)| origin == base.origin()) {
            return Ok(Rc::clone(client));
        }
        let gauge = dispatcher.counters().connections();
        let client = Rc::new(Client::new(&dispatcher.config.transport_to(base, gauge)?));
        if clients.len() == MOST_CLIENTS {
            clients.remove(0);
        }
        clients.push((base.origin().to_owned(), Rc::clone(&client)));
        Ok(client)
    }
}
