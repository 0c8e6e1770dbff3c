//! The response of a handler that takes time. Knows no actor and no message.

use std::{fmt, future::Future, pin::Pin};

use actix::{
    Actor, Message,
    dev::{MessageResponse, OneshotSender},
};

/// A response that is computed only as long as somebody waits for it. actix itself continues a
/// handler's future when the sender has gone.
pub struct WhileAwaited<T>(pub(crate) Pin<Box<dyn Future<Output = T>>>);

impl<T> fmt::Debug for WhileAwaited<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WhileAwaited").finish_non_exhaustive()
    }
}

impl<A: Actor, M: Message> MessageResponse<A, M> for WhileAwaited<M::Result> {
    fn handle(self, _: &mut A::Context, asker: Option<OneshotSender<M::Result>>) {
        actix_rt::spawn(async move {
            let Some(mut asker) = asker else {
                self.0.await;
                return;
            };
            tokio::select! {
                biased;
                () = asker.closed() => {}
                answer = self.0 => {
                    let _ = asker.send(answer);
                }
            }
        });
    }
}
