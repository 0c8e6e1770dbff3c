//! The way to an actor that may die and be replaced: those who hold it always find the
//! one that lives. Knows neither the actor nor who replaces it.

use actix::{dev::ToEnvelope, prelude::*};
use tokio::sync::watch;

/// Why a question got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unanswered {
    /// The actor died; the one in its place may be asked.
    Died,
    /// The actor was given up with the question before it, since it gave no sign of life.
    Hung,
    /// There is no such actor, and there will be none.
    Gone,
}

/// A way to the living actor of a kind.
pub(crate) struct Line<A: Actor>(watch::Receiver<Option<Addr<A>>>);

/// A line, and what its actor is set with. With `None` there is none any more.
pub(crate) fn line<A: Actor>(actor: Option<Addr<A>>) -> (watch::Sender<Option<Addr<A>>>, Line<A>) {
    let (sender, receiver) = watch::channel(actor);
    (sender, Line(receiver))
}

impl<A: Actor> Line<A> {
    /// The actor as it is now; it may be dead.
    pub(crate) fn actor(&self) -> Option<Addr<A>> {
        self.0.borrow().clone()
    }

    /// Sends a message and waits for the answer, or until there is another actor in the
    /// place of one that cannot answer.
    pub(crate) async fn send<M>(&self, message: M) -> Result<M::Result, Unanswered>
    where
        M: Message + Send + 'static,
        M::Result: Send,
        A: Handler<M>,
        A::Context: ToEnvelope<A, M>,
    {
        let mut line = self.0.clone();
        let Some(actor) = line.borrow_and_update().clone() else { return Err(Unanswered::Gone) };
        tokio::select! {
            biased;
            answer = actor.send(message) => match answer {
                Ok(answer) => return Ok(answer),
                Err(_) => line.changed().await.map_err(|_| Unanswered::Gone)?,
            },
            replaced = line.changed() => {
                return Err(replaced.map_or(Unanswered::Gone, |()| Unanswered::Hung));
            }
        }
        Err(Unanswered::Died)
    }
}

impl<A: Actor> Clone for Line<A> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}
