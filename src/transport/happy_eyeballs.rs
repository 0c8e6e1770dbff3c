//! Connects to a host's addresses one after another, each attempt begun before the earlier ones
//! have failed (Happy Eyeballs, RFC 8305). Knows no sockets.

use std::{net::SocketAddr, time::Duration};

use futures::{StreamExt, stream::FuturesUnordered};
use tokio::time::sleep;

/// How long an attempt runs alone before the next one begins (RFC 8305 section 5).
const STAGGER: Duration = Duration::from_millis(250);

/// The addresses in the order of the attempts: address families alternate, beginning with that
/// of the first address, which the resolver prefers (RFC 8305 section 4).
pub(super) fn by_turns(addresses: impl IntoIterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let addresses: Vec<_> = addresses.into_iter().collect();
    let is_of_six = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let is_preferred = |address: &SocketAddr| address.is_ipv6() == is_of_six;
    let (preferred, others): (Vec<SocketAddr>, Vec<SocketAddr>) =
        addresses.iter().copied().partition(is_preferred);
    let (mut preferred, mut others) = (preferred.into_iter(), others.into_iter());
    let mut turns = Vec::with_capacity(addresses.len());
    while turns.len() < addresses.len() {
        turns.extend(preferred.next().into_iter().chain(others.next()));
    }
    turns
}

/// The first connection from attempts to `addresses`; the others are given up. `None` if there is
/// no address.
///
/// # Errors
/// That of the attempt that failed last, if all have.
pub(super) async fn race<T, E, F: Future<Output = Result<T, E>>>(
    addresses: Vec<SocketAddr>,
    connect: impl Fn(SocketAddr) -> F,
) -> Option<Result<T, E>> {
    let mut waiting = addresses.into_iter();
    let mut running = FuturesUnordered::new();
    let mut failure = None;
    loop {
        running.extend(waiting.next().map(&connect));
        if running.is_empty() {
            return failure.map(Err);
        }
        tokio::select! {
            biased;
            Some(outcome) = running.next() => match outcome {
                Ok(connection) => return Some(Ok(connection)),
                Err(error) => failure = Some(error),
            },
            () = sleep(STAGGER), if !waiting.as_slice().is_empty() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, future::pending};

    use tokio::{net::TcpStream, time::Instant};

    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn the_families_take_turns_and_the_preferred_one_begins() {
        for (resolved, turns) in [
            (&[][..], &[][..]),
            (&["1.0.0.1:1"], &["1.0.0.1:1"]),
            (
                &["[::1]:1", "[::2]:1", "[::3]:1", "1.0.0.1:1", "1.0.0.2:1"],
                &["[::1]:1", "1.0.0.1:1", "[::2]:1", "1.0.0.2:1", "[::3]:1"],
            ),
            (
                &["1.0.0.1:1", "[::1]:1", "1.0.0.2:1", "1.0.0.3:1"],
                &["1.0.0.1:1", "[::1]:1", "1.0.0.2:1", "1.0.0.3:1"],
            ),
        ] {
            assert_eq!(by_turns(addresses(resolved)), addresses(turns));
        }
    }

    /// Runs a race in which each address connects or fails after some milliseconds, or never.
    /// Returns the outcome and when each attempt began.
    async fn raced(
        fates: &[(&str, Option<(u64, bool)>)],
    ) -> (Option<Result<SocketAddr, SocketAddr>>, Vec<(SocketAddr, u128)>) {
        let begun = RefCell::new(Vec::new());
        let start = Instant::now();
        let connect = |address: SocketAddr| {
            begun.borrow_mut().push((address, start.elapsed().as_millis()));
            let fate = fates.iter().find(|(text, _)| text.parse() == Ok(address)).unwrap().1;
            async move {
                let Some((after, connects)) = fate else { pending().await };
                sleep(Duration::from_millis(after)).await;
                if connects { Ok(address) } else { Err(address) }
            }
        };
        let texts: Vec<_> = fates.iter().map(|(text, _)| *text).collect();
        let outcome = race(addresses(&texts), connect).await;
        (outcome, begun.into_inner())
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_answers_nothing_costs_a_quarter_of_a_second() {
        let (six, four) = ("[::1]:1".parse().unwrap(), "1.0.0.1:1".parse().unwrap());
        let (outcome, begun) = raced(&[("[::1]:1", None), ("1.0.0.1:1", Some((9, true)))]).await;
        assert_eq!((outcome, begun), (Some(Ok(four)), vec![(six, 0), (four, 250)]));
        // The first one stays in the race.
        let (outcome, _) =
            raced(&[("[::1]:1", Some((300, true))), ("1.0.0.1:1", Some((90, true)))]).await;
        assert_eq!(outcome, Some(Ok(six)));
        // A fast one is not raced at all.
        let (_, begun) = raced(&[("[::1]:1", Some((200, true))), ("1.0.0.1:1", None)]).await;
        assert_eq!(begun, [(six, 0)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_begins_the_next_attempt_at_once_and_the_last_one_is_told() {
        let (six, four) = ("[::1]:1".parse().unwrap(), "1.0.0.1:1".parse().unwrap());
        let (outcome, begun) =
            raced(&[("[::1]:1", Some((5, false))), ("1.0.0.1:1", Some((7, false)))]).await;
        assert_eq!((outcome, begun), (Some(Err(four)), vec![(six, 0), (four, 5)]));
        let (outcome, _) =
            raced(&[("[::1]:1", Some((999, false))), ("1.0.0.1:1", Some((7, false)))]).await;
        assert_eq!(outcome, Some(Err(six)));
        assert_eq!(raced(&[]).await.0, None);
    }

    #[tokio::test]
    async fn a_socket_is_reached_behind_an_address_that_answers_nothing() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap();
        let connect = |address: SocketAddr| async move {
            if address.is_ipv6() { pending().await } else { TcpStream::connect(address).await }
        };
        let turns = by_turns(["[::1]:1".parse().unwrap(), "[::2]:1".parse().unwrap(), open]);
        let stream = race(turns, connect).await.unwrap().unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open);
    }
}
