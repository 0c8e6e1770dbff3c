//! What of actix and of the runtime the crate relies upon, so that a version that changes it is
//! noticed; and the limiters, which need no runtime at all.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use actix::prelude::*;
use futures::{FutureExt, future::join_all};
use tokio::sync::oneshot;
use vantage_api_pool::limits::{
    KeyedRateLimiter, RateLimitPolicy, RateLimitPolicyEnforcer, RateLimiter,
};

use crate::support::soon;
use demo_api::Embedded;

#[test]
fn case_36_no_dependency_is_pinned_to_one_version() {
    let manifest = include_str!("../../../Cargo.toml");
    let pinned: Vec<_> = manifest.lines().filter(|line| line.contains("\"=")).collect();
    assert!(pinned.is_empty(), "{pinned:?}");
}

/// Does what it is asked to, and tells when it ends.
struct Clerk {
    _end: Bell,
    handled: Arc<AtomicUsize>,
}

/// Rings when it is dropped.
struct Bell(mpsc::Sender<bool>);

impl Drop for Bell {
    fn drop(&mut self) {
        let _ = self.0.send(thread::panicking());
    }
}

impl Clerk {
    fn new(handled: &Arc<AtomicUsize>) -> (Self, mpsc::Receiver<bool>) {
        let (ring, end) = mpsc::channel();
        (Self { _end: Bell(ring), handled: Arc::clone(handled) }, end)
    }
}

impl Actor for Clerk {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "usize")]
enum Ask {
    Count,
    PanicInTheHandler,
    PanicInTheFuture,
    /// Tells that it has begun, and waits for the word to end.
    Begin(oneshot::Sender<()>, oneshot::Receiver<()>),
}

impl Handler<Ask> for Clerk {
    type Result = ResponseFuture<usize>;

    fn handle(&mut self, ask: Ask, _: &mut Self::Context) -> Self::Result {
        let handled = Arc::clone(&self.handled);
        match ask {
            Ask::PanicInTheHandler => panic!("in the handler"),
            Ask::PanicInTheFuture => Box::pin(async { panic!("in the future") }),
            Ask::Count => Box::pin(async move { handled.load(Ordering::SeqCst) }),
            Ask::Begin(begun, end) => Box::pin(async move {
                let _ = begun.send(());
                let _ = end.await;
                handled.fetch_add(1, Ordering::SeqCst) + 1
            }),
        }
    }
}

const SOON: Duration = Duration::from_secs(180);

#[actix::test]
async fn case_36_a_panic_in_an_answers_future_costs_the_answer_and_one_in_a_handler_the_actor() {
    let (clerk, end) = Clerk::new(&Arc::default());
    let clerk = clerk.start();
    let lost = soon("an answer", clerk.send(Ask::PanicInTheFuture)).await;
    assert!(matches!(lost, Err(MailboxError::Closed)), "{lost:?}");
    assert_eq!(soon("an answer", clerk.send(Ask::Count)).await, Ok(0));
    assert!(clerk.connected() && end.try_recv().is_err());
    // In an arbiter of its own, whose thread lives on.
    let arbiter = Arbiter::new();
    let (clerk, end) = Clerk::new(&Arc::default());
    let clerk = Clerk::start_in_arbiter(&arbiter.handle(), move |_| clerk);
    let lost = soon("an answer", clerk.send(Ask::PanicInTheHandler)).await;
    assert!(matches!(lost, Err(MailboxError::Closed)), "{lost:?}");
    assert_eq!(end.recv_timeout(SOON), Ok(true));
    soon("its address to notice", async {
        while clerk.connected() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    assert!(arbiter.spawn(async {}), "the arbiter went with it");
    arbiter.stop();
    arbiter.join().unwrap();
}

#[actix::test]
async fn case_36_an_actor_for_a_dead_arbiter_is_dropped_and_its_address_says_so_at_the_first_use() {
    let arbiter = Arbiter::new();
    let handle = arbiter.handle();
    arbiter.stop();
    arbiter.join().unwrap();
    let (clerk, end) = Clerk::new(&Arc::default());
    // Made outside of the closure, so that its end is not missed.
    let clerk = Clerk::start_in_arbiter(&handle, move |_| clerk);
    assert_eq!(end.recv_timeout(SOON), Ok(false));
    assert!(soon("an answer", clerk.send(Ask::Count)).await.is_err());
}

#[actix::test]
async fn case_36_a_handler_that_has_started_goes_on_when_nobody_waits_for_it() {
    let handled = Arc::new(AtomicUsize::new(0));
    let clerk = Clerk::new(&handled).0.start();
    let ((begin, begun), (end, ending)) = (oneshot::channel(), oneshot::channel());
    let mut asked = Box::pin(clerk.send(Ask::Begin(begin, ending)));
    assert!((&mut asked).now_or_never().is_none());
    soon("the handler", begun).await.unwrap();
    drop(asked);
    end.send(()).unwrap();
    soon("the handler", async {
        while handled.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[test]
fn case_36_actors_answer_on_any_executor_and_two_systems_live_side_by_side() {
    let start = || {
        let (hand_over, address) = mpsc::channel();
        let thread = thread::spawn(move || {
            let system = System::new();
            system.block_on(async {
                let (clerk, _) = Clerk::new(&Arc::default());
                hand_over.send((clerk.start(), System::current())).unwrap();
            });
            system.run().unwrap();
        });
        (address.recv_timeout(SOON).unwrap(), thread)
    };
    let ((one, first), (other, second)) = (start(), start());
    let ((one, system), (other, other_system)) = ((one.0, one.1), (other.0, other.1));
    assert_eq!(futures::executor::block_on(one.send(Ask::Count)), Ok(0));
    system.stop();
    first.join().unwrap();
    // It ends with its System, and the other goes on.
    assert!(futures::executor::block_on(one.send(Ask::Count)).is_err());
    assert_eq!(futures::executor::block_on(other.send(Ask::Count)), Ok(0));
    other_system.stop();
    second.join().unwrap();
}

#[actix::test]
async fn case_36_try_send_refuses_what_the_mailbox_cannot_hold_and_hands_it_back() {
    let (clerk, _end) = Clerk::new(&Arc::default());
    let clerk = clerk.start();
    // Nothing is handled before this task yields.
    let refused = (0..1_000).find_map(|_| clerk.try_send(Ask::Count).err());
    assert!(matches!(refused, Some(SendError::Full(Ask::Count))));
}

#[test]
fn case_32_a_limiter_is_waited_for_on_any_executor_and_nothing_panics() {
    let panics = Arc::new(AtomicUsize::new(0));
    let (counter, here) = (Arc::clone(&panics), thread::current().id());
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        // Other tests may panic as they please.
        if thread::current().id() == here {
            counter.fetch_add(1, Ordering::SeqCst);
        }
        before(panic);
    }));
    let without_time = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let with_time = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let limiter = RateLimiter::new("200".parse().unwrap(), 1).unwrap();
    let keyed = KeyedRateLimiter::<u8>::new("200".parse().unwrap(), 1).unwrap();
    for _ in 0..3 {
        let all = || async {
            // Some are first and some wait behind others.
            let waits = join_all((0..3).map(|_| limiter.acquire()));
            assert!(waits.await.into_iter().all(|permit| permit.is_ok()));
            keyed.acquire(&7).await.unwrap();
        };
        futures::executor::block_on(all());
        without_time.block_on(all());
        with_time.block_on(all());
    }
    assert_eq!(panics.load(Ordering::SeqCst), 0);
}

#[test]
fn case_32_who_gives_up_outside_of_a_runtime_leaves_the_queue() {
    let limiter = RateLimiter::new("20".parse().unwrap(), 1).unwrap();
    let given_up = async {
        // Whoever is held up for as long as the next permit takes has it at once.
        let waits = |_| {
            let _ = limiter.try_acquire();
            Box::pin(limiter.acquire()).now_or_never().is_none()
        };
        assert!((0..100).any(waits));
    };
    futures::executor::block_on(given_up);
    futures::executor::block_on(limiter.acquire()).unwrap();
}

/// Answers 200 to everything, behind an enforcer.
fn enforced(enforcer: RateLimitPolicyEnforcer) -> Embedded {
    use actix_web::{App, HttpResponse, HttpServer, web};

    Embedded::start(move |listener| {
        let server = HttpServer::new(move || {
            let ok = web::to(|| async { HttpResponse::Ok().finish() });
            App::new().wrap(enforcer.clone()).default_service(ok)
        });
        Ok(server.workers(1).disable_signals().listen(listener)?.run())
    })
    .unwrap()
}

async fn status(server: &Embedded, header: Option<(&str, &str)>) -> u16 {
    let mut request = reqwest::Client::new().get(format!("http://{}/", server.address()));
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    soon("an answer", request.send()).await.unwrap().status().as_u16()
}

fn policy(quota: u32) -> RateLimitPolicyEnforcer {
    let policy = RateLimitPolicy::fixed_window("p", quota, Duration::from_secs(3_600));
    RateLimitPolicyEnforcer::new([policy]).unwrap()
}

#[tokio::test]
async fn case_35_made_up_authorizations_bring_no_quota_of_their_own() {
    let server = enforced(policy(3));
    for n in 0..3 {
        let made_up = format!("Bearer {n}");
        assert_eq!(status(&server, Some(("authorization", &made_up))).await, 200);
    }
    for made_up in ["Bearer another", "Basic eDp5", ""] {
        assert_eq!(status(&server, Some(("authorization", made_up))).await, 429, "{made_up}");
    }
    for header in ["x-forwarded-for", "forwarded", "x-real-ip", "x-api-key"] {
        assert_eq!(status(&server, Some((header, "192.0.2.7"))).await, 429, "{header}");
    }
    assert_eq!(status(&server, None).await, 429);
}

#[actix::test]
async fn case_35_made_up_values_crowd_no_newcomer_out_and_ipv6_counts_by_network() {
    use actix_web::{
        App, HttpResponse,
        test::{TestRequest, call_service, init_service},
        web,
    };

    let enforcer = policy(2).max_clients(100);
    let ok = web::to(|| async { HttpResponse::Ok().finish() });
    let app = init_service(App::new().wrap(enforcer).default_service(ok)).await;
    let ask = async |address: &str, authorization: &str| {
        let request = TestRequest::default()
            .peer_addr(address.parse().unwrap())
            .insert_header(("authorization", authorization));
        call_service(&app, request.to_request()).await.status().as_u16()
    };
    let mut admitted = 0;
    for n in 0..1_000 {
        admitted += usize::from(ask("192.0.2.1:9", &format!("Bearer {n}")).await == 200);
    }
    assert_eq!(admitted, 2);
    // As many newcomers as there is room for have their whole quota.
    for n in 2..90 {
        let address = format!("192.0.2.{n}:9");
        for expected in [200, 200, 429] {
            assert_eq!(ask(&address, "Bearer same").await, expected, "{address}");
        }
    }
    // One network, with as many addresses as one likes.
    assert_eq!(ask("[2001:db8:0:1::1]:9", "").await, 200);
    assert_eq!(ask("[2001:db8:0:1:ffff::2]:9", "").await, 200);
    assert_eq!(ask("[2001:db8:0:1:8000::3]:9", "").await, 429);
    assert_eq!(ask("[2001:db8:0:2::1]:9", "").await, 200);
    // The same address in either form.
    assert_eq!(ask("[::ffff:192.0.2.1]:9", "").await, 429);
}

#[tokio::test]
async fn case_35_by_header_is_a_setting_and_without_the_header_the_address_counts() {
    for name in ["Authorization", "x-api-key"] {
        let server = enforced(policy(1).client_by_header(name));
        for (value, expected) in
            [(Some("one"), 200), (Some("one"), 429), (Some("two"), 200), (None, 200), (None, 429)]
        {
            assert_eq!(
                status(&server, value.map(|value| (name, value))).await,
                expected,
                "{value:?}"
            );
        }
    }
}
