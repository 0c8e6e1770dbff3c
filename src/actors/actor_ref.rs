//! A reference to an actor that may die and be replaced: it always leads to the living one. Knows
//! neither the actor nor who replaces it.

use actix::{dev::ToEnvelope, prelude::*};
use tokio::sync::watch;

use crate::error::Error;

/// Why a message got no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unanswered {
    /// The actor died; its successor may be asked.
    Died,
    /// The actor was given up while it processed the message, because it gave no sign of life.
    Hung,
    /// There is no such actor, and there will be none.
    Gone,
}

/// A reference to the living actor of a kind.
pub(crate) struct ActorRef<A: Actor>(watch::Receiver<Holder<A>>);

/// The actor, `None` if there is none and will be none, and whether its predecessor was given up
/// because it hung: then callers that wait learn that it will not respond.
pub(crate) type Holder<A> = (Option<Addr<A>>, bool);

impl<A: Actor> ActorRef<A> {
    /// A reference to whichever actor `holder` has.
    pub(crate) fn of(holder: &watch::Sender<Holder<A>>) -> Self {
        Self(holder.subscribe())
    }

    /// The current actor; it may be dead.
    pub(crate) fn actor(&self) -> Option<Addr<A>> {
        self.0.borrow().0.clone()
    }

    /// Sends a message until there is a response, from whichever actor.
    ///
    /// # Errors
    /// [`ErrorKind::ShuttingDown`](crate::ErrorKind::ShuttingDown) if there is no actor any more.
    pub(crate) async fn ask<M>(&self, message: impl Fn() -> M) -> Result<M::Result, Error>
    where
        M: Message + Send + 'static,
        M::Result: Send,
        A: Handler<M>,
        A::Context: ToEnvelope<A, M>,
    {
        loop {
            match self.send(message()).await {
                Ok(answer) => return Ok(answer),
                Err(Unanswered::Died | Unanswered::Hung) => {}
                Err(Unanswered::Gone) => return Err(Error::gone()),
            }
        }
    }

    /// Sends a message and waits for the response, or until another actor has replaced one that
    /// cannot respond.
    pub(crate) async fn send<M>(&self, message: M) -> Result<M::Result, Unanswered>
    where
        M: Message + Send + 'static,
        M::Result: Send,
        A: Handler<M>,
        A::Context: ToEnvelope<A, M>,
    {
        let mut current = self.0.clone();
        let actor = current.borrow_and_update().0.clone().ok_or(Unanswered::Gone)?;
        let replaced = tokio::select! {
            biased;
            answer = actor.send(message) => match answer {
                Ok(answer) => return Ok(answer),
                Err(_) => current.changed().await,
            },
            replaced = current.changed() => replaced,
        };
        replaced.map_err(|_| Unanswered::Gone)?;
        Err(if current.borrow().1 { Unanswered::Hung } else { Unanswered::Died })
    }
}

impl<A: Actor> Clone for ActorRef<A> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::actors::{Die, mortal};

    /// Responds with its number, or never.
    struct Clerk(Option<u32>);

    #[derive(Message)]
    #[rtype(result = "u32")]
    struct Ask;

    impl Actor for Clerk {
        type Context = Context<Self>;
    }

    impl Handler<Ask> for Clerk {
        type Result = ResponseFuture<u32>;

        fn handle(&mut self, _: Ask, _: &mut Self::Context) -> Self::Result {
            let number = self.0;
            Box::pin(async move {
                match number {
                    Some(number) => number,
                    None => std::future::pending().await,
                }
            })
        }
    }

    mortal!(Clerk);

    /// The result of a message to a clerk that is silent while `change` happens.
    async fn ask_while(
        change: impl AsyncFnOnce(&watch::Sender<Holder<Clerk>>, Addr<Clerk>),
    ) -> Result<u32, Unanswered> {
        let cell = watch::Sender::default();
        let actor_ref = ActorRef::of(&cell);
        let silent = Clerk(None).start();
        cell.send_replace((Some(silent.clone()), false));
        let limit = Duration::from_secs(10);
        let answer = tokio::time::timeout(limit, actor_ref.send(Ask));
        futures::future::join(answer, change(&cell, silent)).await.0.expect("it hangs")
    }

    #[actix::test]
    async fn who_asked_one_that_died_may_ask_its_successor() {
        let cell = watch::Sender::default();
        let actor_ref = ActorRef::of(&cell);
        let first = Clerk(Some(1)).start();
        cell.send_replace((Some(first.clone()), false));
        assert_eq!(actor_ref.send(Ask).await, Ok(1));
        assert!(first.send(Die).await.is_err());
        let asked = actor_ref.send(Ask);
        let follow = async { cell.send_replace((Some(Clerk(Some(2)).start()), false)) };
        assert_eq!(futures::future::join(asked, follow).await.0, Err(Unanswered::Died));
        assert_eq!(actor_ref.send(Ask).await, Ok(2));
    }

    #[actix::test]
    async fn a_question_that_hangs_ends_with_the_one_who_hangs() {
        let lead = async |cell: &watch::Sender<Holder<Clerk>>, after_hang| {
            cell.send_replace((Some(Clerk(Some(2)).start()), after_hang));
        };
        let hung = ask_while(async |cell, _| lead(cell, true).await).await;
        assert_eq!(hung, Err(Unanswered::Hung));
        let died = ask_while(async |cell, _| lead(cell, false).await).await;
        assert_eq!(died, Err(Unanswered::Died));
    }

    #[actix::test]
    async fn without_an_actor_and_without_one_to_come_nobody_waits() {
        let cell = watch::Sender::<Holder<Clerk>>::default();
        let actor_ref = ActorRef::of(&cell);
        assert_eq!(actor_ref.send(Ask).await, Err(Unanswered::Gone));
        let silent = Clerk(None).start();
        cell.send_replace((Some(silent.clone()), false));
        assert!(silent.send(Die).await.is_err());
        drop(cell);
        assert_eq!(actor_ref.send(Ask).await, Err(Unanswered::Gone));
    }
}
