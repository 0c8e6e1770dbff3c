//! Tools of the actors: a reference to an actor that may be replaced, and the heartbeat that
//! tells a hung actor from a working one.

mod actor_ref;
mod heartbeat;

pub(crate) use actor_ref::{ActorRef, Holder, Unanswered};
pub(crate) use heartbeat::{BEAT_EVERY, Heartbeat};

/// Makes an actor panic, as a fault of its own would.
#[cfg(test)]
#[derive(actix::Message)]
#[rtype(result = "()")]
pub(crate) struct Die;

/// Lets an actor handle [`Die`].
#[cfg(test)]
macro_rules! mortal {
    ($actor:ty) => {
        impl actix::Handler<crate::actors::Die> for $actor {
            type Result = ();

            fn handle(&mut self, _: crate::actors::Die, _: &mut Self::Context) {
                panic!("this actor dies")
            }
        }
    };
}

#[cfg(test)]
pub(crate) use mortal;
