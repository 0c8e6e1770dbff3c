//! Sets, sizes, orders of arrival, failures and contradictions at random, by every way: what is read is
//! the set, in order, or a read says that it is not.

use proptest::{
    option,
    prelude::*,
    sample::{Index, select},
    test_runner::TestRunner,
};
use serde_json::Value;
use vantage_api_pool::{Error, ErrorKind, PaginatedStream, paging::ReadMode};

use super::{
    Fate, Hold, ids, read,
    server::{Asked, Sheet},
    ways::{Kind, Way, rows, ways},
};

const CASES: u32 = 250;

/// What pages say that is not so. Pages are counted from 0.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Lie {
    TotalAbove(usize),
    TotalBelow(usize),
    NoTotal(usize),
    FlagAlways,
    NoRows(usize),
    NoNext(usize),
    Repeats(usize),
    LeadsBack(usize, usize),
}

impl Lie {
    /// Whether the pages of a way can say so, and whether one can know that it is not so.
    fn fits(self, way: &Way) -> bool {
        let has_pages = !matches!(way.kind, Kind::Once | Kind::Job | Kind::Windowed);
        let is_told = way.has_total || way.has_flag;
        match self {
            Self::TotalAbove(_) | Self::NoTotal(_) => way.has_total && !way.is_decided,
            Self::TotalBelow(_) => way.has_total && !way.has_flag && !way.is_decided,
            Self::FlagAlways => way.has_flag,
            Self::NoRows(_) => has_pages && (is_told || way.kind == Kind::Pointed),
            Self::NoNext(_) => way.kind == Kind::Pointed && is_told,
            Self::Repeats(_) => has_pages && !way.has_ties,
            Self::LeadsBack(..) => way.kind == Kind::Pointed,
        }
    }

    fn tell(self, sheet: &mut Sheet, all: &[Value]) {
        let (page, size) = (sheet.start / sheet.size, sheet.size);
        match self {
            Self::TotalAbove(by) => sheet.total = sheet.total.map(|total| total + size + by),
            Self::TotalBelow(from) if page > from => sheet.total = Some(1),
            Self::NoTotal(on) if page == on => sheet.total = None,
            Self::FlagAlways => sheet.more = true,
            Self::NoRows(on) if page == on => sheet.rows.clear(),
            Self::NoNext(on) if page == on => sheet.next = None,
            Self::Repeats(on) if page > on && !sheet.rows.is_empty() => {
                let rows = all.iter().skip(on * size).take(size);
                sheet.rows = rows.cloned().collect();
            }
            Self::LeadsBack(from, by) if page == from && sheet.next.is_some() => {
                sheet.next = Some(sheet.start - sheet.start.min(by * size));
            }
            _ => {}
        }
    }
}

#[derive(Clone, Debug)]
struct Case {
    way: usize,
    count: usize,
    cap: usize,
    asked: usize,
    prefetch: usize,
    mode: ReadMode,
    seed: u64,
    /// Which requests fail.
    fails: Vec<(usize, Fate)>,
    resumed_after: Option<usize>,
    is_uneven: bool,
    lie: Option<Lie>,
}

impl Case {
    async fn check(&self, way: &Way) -> Result<(), TestCaseError> {
        let size = if way.has_ties { self.cap } else { self.asked };
        let lie = self.lie.filter(|lie| lie.fits(way));
        let mut plan = way.plan(self.count, self.cap).holding(Hold::Some(self.seed));
        let is_uneven = self.is_uneven && lie.is_none() && way.may_be_uneven();
        plan.uneven = is_uneven.then_some(self.seed);
        if let Some(lie) = lie {
            let all = rows(self.count);
            plan = plan.lying(move |sheet| lie.tell(sheet, &all));
        }
        let (fails, makes_a_job) = (self.fails.clone(), way.kind == Kind::Job);
        let mut requests = 0;
        let server = plan
            .breaking(move |asked: &Asked, _| {
                requests += 1;
                let fate = fails.iter().find(|(number, _)| *number == requests);
                let may_fail = !(makes_a_job && asked.method == "POST");
                fate.filter(|_| may_fail).map_or(Fate::Whole, |(_, fate)| *fate)
            })
            .start();
        let stream = || way.read(&server.url(), size).prefetch(self.prefetch).mode(self.mode);
        let (came, error) = match self.resumed_after {
            None => read(stream()).await,
            Some(most) => resumed(stream, most).await,
        };
        self.judge(way, lie, &came, error)
    }

    fn judge(
        &self,
        way: &Way,
        lie: Option<Lie>,
        came: &[Value],
        error: Option<Error>,
    ) -> Result<(), TestCaseError> {
        let (name, came) = (way.name, ids(came));
        let is_without = |id: usize| match lie {
            Some(Lie::NoRows(on)) => id / way.granted(self.asked, self.cap) == on,
            _ => false,
        };
        let truth: Vec<_> =
            (0..self.count).filter(|id| !is_without(*id)).map(|id| id as u64).collect();
        let Some(error) = error else {
            let is_whole = came == truth || lie.is_some() && came == ids(&rows(self.count));
            prop_assert!(is_whole, "{name}: {came:?}, {lie:?}");
            return Ok(());
        };
        let kind = error.kind();
        let leads_back = matches!(lie, Some(Lie::LeadsBack(..)));
        let is_in_order = came.windows(2).all(|pair| pair[0] < pair[1]);
        // The start of a read was requested without a place, so it may come twice before it is known.
        let is_known_late = leads_back && kind == ErrorKind::PageLoop;
        prop_assert!(is_in_order || is_known_late, "{name}: {came:?} and {error}");
        let is_doubtful = way.is_decided
            && kind == ErrorKind::PaginationMissing
            && self.count <= self.cap
            && came.is_empty();
        let is_tied = way.has_ties && self.cap <= 2 && kind == ErrorKind::Incomplete;
        prop_assert!(lie.is_some() || is_doubtful || is_tied, "{name}: {came:?} and {error}");
        Ok(())
    }
}

/// What is read in two parts, the second one by another pool.
async fn resumed(stream: impl Fn() -> PaginatedStream, most: usize) -> (Vec<Value>, Option<Error>) {
    let mut first = stream();
    let mut came = Vec::new();
    while came.len() < most {
        match crate::support::soon("a row", futures::StreamExt::next(&mut first)).await {
            Some(Ok(row)) => came.push(row),
            Some(Err(error)) => return (came, Some(error)),
            None => break,
        }
    }
    let token = first.resume_token().to_text();
    drop(first);
    let (rest, error) = read(stream().resume_from(token.parse().unwrap())).await;
    came.extend(rest);
    (came, error)
}

fn lie() -> impl Strategy<Value = Lie> {
    let page = || 0..6_usize;
    prop_oneof![
        page().prop_map(Lie::TotalAbove),
        page().prop_map(Lie::TotalBelow),
        page().prop_map(Lie::NoTotal),
        Just(Lie::FlagAlways),
        page().prop_map(Lie::NoRows),
        page().prop_map(Lie::NoNext),
        page().prop_map(Lie::Repeats),
        (page(), 0..4_usize).prop_map(|(from, by)| Lie::LeadsBack(from, by)),
    ]
}

fn case(ways: usize) -> impl Strategy<Value = Case> {
    let modes = vec![ReadMode::Parallel, ReadMode::Overlap, ReadMode::Sequential];
    let fates = vec![Fate::Busy, Fate::Cut, Fate::Reset];
    (
        (any::<Index>(), 0..61_usize, 1..8_usize, 1..8_usize, 1..7_usize),
        (select(modes), any::<u64>(), any::<bool>()),
        prop::collection::vec((1..40_usize, select(fates)), 0..5),
        option::of(0..61_usize),
        option::weighted(0.4, lie()),
    )
        .prop_map(move |(set, (mode, seed, is_uneven), fails, resumed_after, lie)| {
            let (way, count, cap, asked, prefetch) = set;
            let way = way.index(ways);
            Case {
                way,
                count,
                cap,
                asked,
                prefetch,
                mode,
                seed,
                fails,
                resumed_after,
                is_uneven,
                lie,
            }
        })
}

/// Runs a test of random cases.
pub(crate) fn of_cases<C: Clone + std::fmt::Debug>(
    cases: u32,
    strategy: &impl Strategy<Value = C>,
    check: impl AsyncFn(C) -> Result<(), TestCaseError>,
) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let config = ProptestConfig {
        cases,
        max_shrink_iters: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let result = TestRunner::new(config).run(strategy, |case| runtime.block_on(check(case)));
    if let Err(failure) = result {
        panic!("{failure}");
    }
}

#[test]
fn a_random_read_has_the_whole_set_in_order_or_says_that_it_has_not() {
    let ways = ways();
    of_cases(CASES, &case(ways.len()), async |case| case.check(&ways[case.way]).await);
}
