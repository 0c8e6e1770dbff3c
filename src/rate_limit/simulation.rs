//! A discrete-event simulation of callers, clients and an API with a hidden limit, on
//! virtual time. The tests check the dampener against its bounds with it, and the example
//! `rate_comparison` draws it; both run the code of the pool itself.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    time::{Duration, Instant},
};

use super::{
    dampener::Slower,
    pace::Pace,
    quota::{Quota, QuotaPolicy},
};

/// How a client reacts to refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "two of them are for the example")]
pub(crate) enum Strategy {
    /// A refused caller sends again at once.
    Nothing,
    /// A refused caller waits, longer each time, independently of others.
    BackOff,
    /// The pool's dampener and its reading of headers, with the pool's three attempts.
    Dampener,
    /// The same without dampener and headers.
    Off,
}

/// The limit of the API.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    /// A bucket that fills at this rate and holds a second's worth.
    Bucket(f64),
    /// A bucket whose rate changes at a given time.
    Step { before: f64, at: Duration, after: f64 },
    /// A quota in each window of a given length.
    Window { quota: u64, length: Duration },
    /// No limit.
    None,
}

/// What is simulated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scene {
    pub(crate) limit: Limit,
    /// Whether responses report the quota.
    pub(crate) has_headers: bool,
    /// Whether refusals are a 503, which may mean something else.
    pub(crate) says_unavailable: bool,
    pub(crate) strategy: Strategy,
    pub(crate) clients: usize,
    /// Callers of each client. Each makes one call after the other.
    pub(crate) callers: usize,
    /// The mean latency of each direction. It varies by half of that.
    pub(crate) way: Duration,
    pub(crate) length: Duration,
    pub(crate) seed: u64,
}

/// What happened in one second.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Second {
    pub(crate) served: u32,
    pub(crate) refused: u32,
}

/// What happened, by client and by second.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) clients: Vec<Vec<Second>>,
    /// What the limit allowed in each second.
    pub(crate) allowed: Vec<f64>,
}

impl Limit {
    /// The requests per second that are allowed at a given time.
    fn rate(self, at: Duration) -> f64 {
        match self {
            Self::Bucket(rate) => rate,
            Self::Step { before, at: step, after } => {
                if at < step {
                    before
                } else {
                    after
                }
            }
            Self::Window { quota, length } => quota as f64 / length.as_secs_f64(),
            Self::None => f64::INFINITY,
        }
    }
}

/// How a request ended, as far as the pace is concerned.
#[derive(Clone, Copy, Debug)]
struct Outcome {
    slower: Slower,
    sent_at: Instant,
    quota: Option<Quota>,
}

/// The API.
struct Api {
    limit: Limit,
    has_headers: bool,
    says_unavailable: bool,
    /// What is left of the bucket or the window.
    left: f64,
    filled_at: Duration,
}

impl Api {
    fn new(scene: &Scene) -> Self {
        let Scene { limit, has_headers, says_unavailable, .. } = *scene;
        Self {
            limit,
            has_headers,
            says_unavailable,
            left: f64::INFINITY,
            filled_at: Duration::ZERO,
        }
    }

    fn receive(&mut self, at: Duration, sent_at: Instant) -> Outcome {
        let rate = self.limit.rate(at);
        if rate.is_infinite() {
            return Outcome { slower: Slower::No, sent_at, quota: None };
        }
        let (most, reset) = match self.limit {
            Limit::Window { quota, length } => {
                let begin = length * u32::try_from(at.as_nanos() / length.as_nanos()).unwrap_or(0);
                if begin > self.filled_at {
                    self.left = f64::INFINITY;
                }
                self.filled_at = begin;
                (quota as f64, begin + length - at)
            }
            _ => {
                self.left += (at - self.filled_at).as_secs_f64() * rate;
                self.filled_at = at;
                let most = rate.max(1.0);
                (most, Duration::from_secs_f64((most - self.left.min(most)) / rate))
            }
        };
        self.left = self.left.min(most);
        let is_refusal = self.left < 1.0;
        if !is_refusal {
            self.left -= 1.0;
        }
        let window = match self.limit {
            Limit::Window { length, .. } => length,
            _ => Duration::from_secs(1),
        };
        let quota = Quota {
            remaining: self.left as u64,
            reset: Duration::from_secs(reset.as_secs_f64().ceil() as u64),
            policy: Some(QuotaPolicy { quota: most as u64, window }),
        };
        let slower = match is_refusal {
            true if self.says_unavailable => Slower::IfOften,
            true => Slower::Yes,
            false => Slower::No,
        };
        Outcome { slower, sent_at, quota: self.has_headers.then_some(quota) }
    }
}

/// A caller of a client, and how often its call was attempted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Call {
    client: usize,
    sent_at: Duration,
    attempts: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A call requests a permit.
    Asks(Call),
    /// A client checks whether there is a permit.
    Looks(usize),
    Arrives(Call),
    /// With the number of its outcome.
    Returns(Call, usize),
}

struct Client {
    pace: Option<Pace>,
    queue: VecDeque<Call>,
    in_flight: u64,
    looks_at: Option<Duration>,
}

/// Runs a scene, which begins at `start`.
pub(crate) fn run(scene: &Scene, start: Instant) -> Record {
    Run::new(scene, start).play()
}

struct Run<'a> {
    scene: &'a Scene,
    start: Instant,
    random: Random,
    api: Api,
    clients: Vec<Client>,
    events: BinaryHeap<Reverse<(Duration, u64, Event)>>,
    outcomes: Vec<Outcome>,
    scheduled: u64,
    record: Record,
}

impl<'a> Run<'a> {
    fn new(scene: &'a Scene, start: Instant) -> Self {
        let use_dampener = scene.strategy == Strategy::Dampener;
        let longest = Duration::from_secs(300);
        let client = || Client {
            pace: use_dampener.then(|| Pace::new(None, None, true, longest, start)),
            queue: VecDeque::new(),
            in_flight: 0,
            looks_at: None,
        };
        let seconds = scene.length.as_secs() as usize;
        let allowed = |second| scene.limit.rate(Duration::from_secs(second));
        Self {
            scene,
            start,
            random: Random(scene.seed),
            api: Api::new(scene),
            clients: (0..scene.clients).map(|_| client()).collect(),
            events: BinaryHeap::new(),
            outcomes: Vec::new(),
            scheduled: 0,
            record: Record {
                clients: vec![vec![Second::default(); seconds]; scene.clients],
                allowed: (0..seconds as u64).map(allowed).collect(),
            },
        }
    }

    fn play(mut self) -> Record {
        for client in 0..self.scene.clients {
            for _ in 0..self.scene.callers {
                let at = Duration::from_secs_f64(0.1 * self.random.next());
                self.schedule(
                    at,
                    Event::Asks(Call { client, attempts: 0, sent_at: Duration::ZERO }),
                );
            }
        }
        while let Some(Reverse((at, _, event))) = self.events.pop() {
            if at >= self.scene.length {
                break;
            }
            match event {
                Event::Asks(call) => {
                    self.clients[call.client].queue.push_back(call);
                    self.serve(call.client, at);
                }
                // It was meant to check earlier, and has.
                Event::Looks(client) if self.clients[client].looks_at != Some(at) => {}
                Event::Looks(client) => {
                    self.clients[client].looks_at = None;
                    self.serve(client, at);
                }
                Event::Arrives(call) => {
                    let outcome = self.api.receive(at, self.start + call.sent_at);
                    let second = &mut self.record.clients[call.client][at.as_secs() as usize];
                    let is_refusal = outcome.slower != Slower::No;
                    second.refused += u32::from(is_refusal);
                    second.served += u32::from(!is_refusal);
                    self.outcomes.push(outcome);
                    let outcome = self.outcomes.len() - 1;
                    let event = Event::Returns(call, outcome);
                    let way = self.way();
                    self.schedule(at + way, event);
                }
                Event::Returns(call, outcome) => self.returned(call, self.outcomes[outcome], at),
            }
        }
        self.record
    }

    fn schedule(&mut self, at: Duration, event: Event) {
        self.scheduled += 1;
        self.events.push(Reverse((at, self.scheduled, event)));
    }

    /// The latency of the next direction.
    fn way(&mut self) -> Duration {
        self.scene.way.mul_f64(0.5 + self.random.next())
    }

    /// Lets as many of the queue leave as there are permits.
    fn serve(&mut self, number: usize, at: Duration) {
        loop {
            let now = self.start + at;
            let client = &mut self.clients[number];
            let Some(&(mut call)) = client.queue.front() else { return };
            let cost = if call.attempts == 0 { 1 } else { 5 };
            if let Some(pace) = &mut client.pace
                && let Err(wait) = pace.take(cost, now)
            {
                let due = at + wait.clamp(Duration::from_nanos(1), Duration::from_millis(100));
                if client.looks_at.is_none_or(|at| due < at) {
                    client.looks_at = Some(due);
                    self.schedule(due, Event::Looks(number));
                }
                return;
            }
            client.queue.pop_front();
            client.in_flight += 1;
            call.sent_at = at;
            let way = self.way();
            self.schedule(at + way, Event::Arrives(call));
        }
    }

    fn returned(&mut self, call: Call, outcome: Outcome, at: Duration) {
        let now = self.start + at;
        let client = &mut self.clients[call.client];
        client.in_flight -= 1;
        if let Some(pace) = &mut client.pace {
            let Outcome { slower, sent_at, quota } = outcome;
            pace.ended(slower, quota, client.in_flight, sent_at, now);
        }
        let attempts = call.attempts + 1;
        let next = Call { attempts, ..call };
        let back_off = 0.1 * 2f64.powi(call.attempts.min(8) as i32);
        let (next, wait) = match self.scene.strategy {
            _ if outcome.slower == Slower::No => (Call { attempts: 0, ..call }, 0.0),
            Strategy::Nothing => (next, 0.0),
            Strategy::BackOff => (next, back_off.min(20.0) * self.random.next()),
            Strategy::Dampener | Strategy::Off if attempts < 3 => {
                (next, back_off * self.random.next())
            }
            Strategy::Dampener | Strategy::Off => (Call { attempts: 0, ..call }, 0.0),
        };
        self.schedule(at + Duration::from_secs_f64(wait), Event::Asks(next));
    }
}

/// SplitMix64: pseudo-random numbers, the same for the same seed.
struct Random(u64);

impl Random {
    /// From 0 up to 1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

impl Record {
    /// The share of the allowed requests that were served, in a range of seconds.
    pub(crate) fn utilisation(&self, seconds: std::ops::Range<usize>) -> f64 {
        let served: u32 = self.all().map(|client| sum(&client[seconds.clone()]).served).sum();
        f64::from(served) / self.allowed[seconds].iter().sum::<f64>()
    }

    /// The share of refusals among the responses, in a range of seconds.
    pub(crate) fn refusals(&self, seconds: std::ops::Range<usize>) -> f64 {
        let [served, refused] = self.all().fold([0; 2], |[served, refused], client| {
            let sum = sum(&client[seconds.clone()]);
            [served + sum.served, refused + sum.refused]
        });
        f64::from(refused) / f64::from((served + refused).max(1))
    }

    /// After how many seconds the rate has settled at the limit: the ten seconds from there on use
    /// nine tenths of it, with at most a twentieth of refusals.
    pub(crate) fn settled_after(&self, from: usize) -> Option<usize> {
        let is_settled = |at: &usize| {
            let few = *at..*at + 10;
            self.utilisation(few.clone()) >= 0.9 && self.refusals(few) <= 0.05
        };
        (from..self.allowed.len() - 10).find(is_settled).map(|at| at - from)
    }

    /// Jain's fairness index of what the clients were served: 1 if all got the same.
    pub(crate) fn fairness(&self) -> f64 {
        let served: Vec<f64> = self.all().map(|client| sum(client).served.into()).collect();
        let sum: f64 = served.iter().sum();
        sum * sum / (served.len() as f64 * served.iter().map(|n| n * n).sum::<f64>())
    }

    fn all(&self) -> impl Iterator<Item = &[Second]> {
        self.clients.iter().map(Vec::as_slice)
    }
}

fn sum(seconds: &[Second]) -> Second {
    seconds.iter().fold(Second::default(), |sum, second| Second {
        served: sum.served + second.served,
        refused: sum.refused + second.refused,
    })
}
