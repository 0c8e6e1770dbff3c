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
pub(crate) struct Line<A: Actor>(watch::Receiver<End<A>>);

/// Where a line leads.
struct End<A: Actor> {
    /// `None` when there is no actor, and there will be none.
    actor: Option<Addr<A>>,
    /// Whether the one before it was given up since it hung.
    after_hang: bool,
}

/// What a line is led with.
pub(crate) struct Switch<A: Actor>(watch::Sender<End<A>>);

/// A line that leads nowhere yet, and its switch.
pub(crate) fn line<A: Actor>() -> (Switch<A>, Line<A>) {
    let (sender, receiver) = watch::channel(End { actor: None, after_hang: false });
    (Switch(sender), Line(receiver))
}

impl<A: Actor> Switch<A> {
    /// Leads the line to `actor`, or nowhere for good. `after_hang` tells those who have asked
    /// the one before it that there is no answer to be had from it.
    pub(crate) fn lead_to(&self, actor: Option<Addr<A>>, after_hang: bool) {
        self.0.send_replace(End { actor, after_hang });
    }

    #[cfg(test)]
    pub(crate) fn actor(&self) -> Option<Addr<A>> {
        self.0.borrow().actor.clone()
    }
}

impl<A: Actor> Line<A> {
    /// The actor as it is now; it may be dead.
    pub(crate) fn actor(&self) -> Option<Addr<A>> {
        self.0.borrow().actor.clone()
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
        let actor = line.borrow_and_update().actor.clone().ok_or(Unanswered::Gone)?;
        let replaced = tokio::select! {
            biased;
            answer = actor.send(message) => match answer {
                Ok(answer) => return Ok(answer),
                Err(_) => line.changed().await,
            },
            replaced = line.changed() => replaced,
        };
        replaced.map_err(|_| Unanswered::Gone)?;
        Err(if line.borrow().after_hang { Unanswered::Hung } else { Unanswered::Died })
    }
}

impl<A: Actor> Clone for Line<A> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::actors::{Die, mortal};

    /// Answers with its number, or never.
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

    /// What comes of a question to a clerk who is silent while `change` happens.
    async fn ask_while(
        change: impl AsyncFnOnce(&Switch<Clerk>, Addr<Clerk>),
    ) -> Result<u32, Unanswered> {
        let (switch, line) = line();
        let silent = Clerk(None).start();
        switch.lead_to(Some(silent.clone()), false);
        let limit = Duration::from_secs(10);
        let answer = tokio::time::timeout(limit, line.send(Ask));
        futures::future::join(answer, change(&switch, silent)).await.0.expect("it hangs")
    }

    #[actix::test]
    async fn who_asked_one_that_died_may_ask_its_successor() {
        let (switch, line) = line();
        let first = Clerk(Some(1)).start();
        switch.lead_to(Some(first.clone()), false);
        assert_eq!(line.send(Ask).await, Ok(1));
        assert!(first.send(Die).await.is_err());
        let asked = line.send(Ask);
        let follow = async { switch.lead_to(Some(Clerk(Some(2)).start()), false) };
        assert_eq!(futures::future::join(asked, follow).await.0, Err(Unanswered::Died));
        assert_eq!(line.send(Ask).await, Ok(2));
    }

    #[actix::test]
    async fn a_question_that_hangs_ends_with_the_one_who_hangs() {
        let lead = async |switch: &Switch<Clerk>, after_hang| {
            switch.lead_to(Some(Clerk(Some(2)).start()), after_hang);
        };
        let hung = ask_while(async |switch, _| lead(switch, true).await).await;
        assert_eq!(hung, Err(Unanswered::Hung));
        let died = ask_while(async |switch, _| lead(switch, false).await).await;
        assert_eq!(died, Err(Unanswered::Died));
    }

    #[actix::test]
    async fn without_an_actor_and_without_one_to_come_nobody_waits() {
        let (switch, line) = line::<Clerk>();
        assert_eq!(line.send(Ask).await, Err(Unanswered::Gone));
        let silent = Clerk(None).start();
        switch.lead_to(Some(silent.clone()), false);
        assert!(silent.send(Die).await.is_err());
        drop(switch);
        assert_eq!(line.send(Ask).await, Err(Unanswered::Gone));
    }
}
