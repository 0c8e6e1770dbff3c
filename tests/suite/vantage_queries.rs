//! Random queries through a table over the hostile server, compared with the same
//! queries over the whole set in memory.

use std::{cmp::Ordering, future::Future, time::Duration};

use crate::{
    battery::{Fate, Hold, Way, of_cases, pool, ways},
    support::hostile::{Dialect, Form, Hostile, Shape, Sorts, Style, Total},
};
use ciborium::Value;
use proptest::{
    prelude::*,
    sample::{Index, select},
};
use serde_json::json;
use vantage_api_pool::{
    AwwPool, Envelope, Paging, PoolApi,
    vantage::{ApiCondition, Filtering, Filters, Lists, Operator, PoolTableExt, Sorting},
};
use vantage_core::VantageError;
use vantage_dataset::prelude::*;
use vantage_table::{prelude::OrderBy, table::Table};
use vantage_types::EmptyEntity;

type Rows = Table<PoolApi, EmptyEntity>;

const CASES: u32 = 80;

/// A row of the set, as the test knows it.
#[derive(Clone, Debug)]
struct Row {
    id: i64,
    n: Option<i64>,
    name: Option<&'static str>,
}

/// A condition that the test evaluates for itself.
#[derive(Clone, Debug)]
enum Asked {
    N(&'static str, i64),
    Name(&'static str, &'static str),
    NIn(Vec<i64>, bool),
    IdIn(Vec<i64>),
    NIsNull(bool),
    Either(Box<Asked>, Box<Asked>),
    Neither(Box<Asked>),
}

impl Asked {
    /// Of three values: `None` is unknown.
    fn holds(&self, row: &Row) -> Option<bool> {
        match self {
            Self::N(operator, than) => row.n.map(|n| stands(n.cmp(than), operator)),
            Self::Name("contains", part) => {
                row.name.map(|name| name.to_lowercase().contains(&part.to_lowercase()))
            }
            Self::Name("starts", part) => {
                row.name.map(|name| name.to_lowercase().starts_with(&part.to_lowercase()))
            }
            Self::Name(operator, than) => row.name.map(|name| stands(name.cmp(than), operator)),
            Self::NIn(values, negated) => match row.n {
                _ if values.is_empty() => Some(*negated),
                n => n.map(|n| values.contains(&n) != *negated),
            },
            Self::IdIn(values) => Some(values.contains(&row.id)),
            Self::NIsNull(is) => Some(row.n.is_none() == *is),
            Self::Either(one, other) => match (one.holds(row), other.holds(row)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Self::Neither(of) => of.holds(row).map(|holds| !holds),
        }
    }

    fn condition(&self) -> ApiCondition {
        match self {
            Self::N(operator, than) => compared("n", operator, Value::from(*than)),
            Self::Name("contains", part) => ApiCondition::contains("name", *part),
            Self::Name("starts", part) => ApiCondition::starts_with("name", *part),
            Self::Name(operator, than) => compared("name", operator, Value::from(*than)),
            Self::NIn(values, false) => ApiCondition::is_in("n", values.clone()),
            Self::NIn(values, true) => ApiCondition::is_not_in("n", values.clone()),
            Self::IdIn(values) => ApiCondition::is_in("id", values.clone()),
            Self::NIsNull(true) => ApiCondition::is_null("n"),
            Self::NIsNull(false) => ApiCondition::is_not_null("n"),
            Self::Either(one, other) => one.condition() | other.condition(),
            Self::Neither(of) => !of.condition(),
        }
    }
}

fn stands(order: Ordering, operator: &str) -> bool {
    match operator {
        "=" => order.is_eq(),
        "<>" => order.is_ne(),
        ">" => order.is_gt(),
        ">=" => order.is_ge(),
        "<" => order.is_lt(),
        _ => order.is_le(),
    }
}

fn compared(field: &str, operator: &str, value: Value) -> ApiCondition {
    match operator {
        "=" => ApiCondition::eq(field, value),
        "<>" => ApiCondition::ne(field, value),
        ">" => ApiCondition::gt(field, value),
        ">=" => ApiCondition::gte(field, value),
        "<" => ApiCondition::lt(field, value),
        _ => ApiCondition::lte(field, value),
    }
}

/// What is asked, and of what kind of API.
#[derive(Clone, Debug)]
struct Case {
    rows: Vec<Row>,
    asked: Vec<Asked>,
    /// The column of the order and whether it descends.
    order: Option<(&'static str, bool)>,
    window: Option<(u64, u64)>,
    search: Option<&'static str>,
    id: i64,
    api: Api,
}

#[derive(Clone, Debug)]
struct Api {
    dialect: Dialect,
    sorts: Sorts,
    lists: Lists,
    most: usize,
    filtering: Filtering,
    ignores_filters: bool,
    shape: Shape,
    style: Style,
    total: Total,
    cap: u64,
    size: Option<u64>,
    first_page: u64,
    items: bool,
    prefetch: usize,
    posts: bool,
}

impl Api {
    fn page_param(&self) -> &'static str {
        if self.style == Style::Numbered { "page" } else { "after" }
    }

    fn paging(&self) -> Paging {
        let paging = match &self.style {
            Style::Numbered => Paging::page_number().first_page(self.first_page),
            Style::Offset => Paging::offset("after"),
            Style::Cursor(path) => Paging::cursor("after", path),
            Style::Header(name) => Paging::header_cursor("after", *name),
            Style::NextUrl(path, _) => Paging::next_url(path),
            Style::Link(_) => Paging::link_header(),
        };
        let paging = match self.size {
            Some(size) => paging.page_size("per_page", size),
            None => paging,
        };
        match self.style {
            Style::NextUrl(..) | Style::Link(_) => paging,
            _ if self.posts => paging.post(&json!({})),
            _ => paging,
        }
    }
}

impl Case {
    fn server(&self) -> Hostile {
        let row = |row: &Row| json!({ "id": row.id, "n": row.n, "name": row.name });
        let api = &self.api;
        let mut server = Hostile::with_rows(self.rows.iter().map(row).collect())
            .dialect(api.dialect)
            .sorts(api.sorts)
            .searches("q")
            .page_size(api.cap.min(4), api.cap)
            .first_page(api.first_page)
            .shape(api.shape)
            .style(api.style.clone())
            .params(api.page_param(), "per_page")
            .total(api.total);
        if api.posts {
            server = server.takes_searches();
        }
        if api.ignores_filters {
            server = server.ignores_filters();
        }
        server
    }

    fn table(&self, url: String) -> Rows {
        let api = &self.api;
        let filters = match api.dialect {
            Dialect::Equality => Filters::equality(),
            Dialect::Plural => Filters::equality().operator(Operator::In, "{field}[]={value}"),
            Dialect::Suffixes => Filters::suffixes(),
            Dialect::Brackets => Filters::brackets("filter"),
        };
        let sorting = match api.sorts {
            Sorts::Never => Sorting::none(),
            Sorts::Prefixed => Sorting::prefixed("sort"),
            Sorts::Suffixed => Sorting::suffixed("sort", ":"),
            Sorts::Separate => Sorting::separate("order_by", "order"),
        };
        let envelope = match api.shape {
            Shape::Bare => Envelope::bare_array(),
            Shape::Table => Envelope::items_at("rows"),
            Shape::At(path) => Envelope::items_at(path),
            Shape::Data => Envelope::default(),
        };
        let envelope = match api.total {
            Total::At(path) => envelope.total_at(path),
            Total::InHeader(name) => envelope.total_in_header(name),
            _ => envelope,
        };
        let source = PoolApi::new(AwwPool::builder(url).build().unwrap())
            .filters(filters.lists(api.lists).max_in_values(api.most).search_param("q"))
            .sorting(sorting.on_rows(true))
            .filtering(api.filtering)
            .paging(api.paging())
            .envelope(envelope)
            .item_endpoints(api.items)
            .prefetch(api.prefetch);
        self.query(source)
    }

    /// What is asked, of this source.
    fn query(&self, source: PoolApi) -> Rows {
        let mut table = Rows::new("rows", source)
            .with_id_column("id")
            .with_column_of::<i64>("n")
            .with_column_of::<String>("name");
        for asked in &self.asked {
            table.add_condition(asked.condition());
        }
        if let Some(text) = self.search {
            table.add_search(text);
        }
        if let Some((column, is_descending)) = self.order {
            table.add_order(match is_descending {
                true => OrderBy::descending(ApiCondition::column(column)),
                false => OrderBy::ascending(ApiCondition::column(column)),
            });
            if self.api.sorts != Sorts::Separate {
                table.add_order(OrderBy::ascending(ApiCondition::column("id")));
            }
        }
        table
    }

    fn matches(&self, row: &Row) -> bool {
        let found = |text: &str| row.name.is_some_and(|name| name.contains(text));
        // An API that ignores filters searches all the same.
        self.search.is_none_or(found)
            && self.asked.iter().all(|asked| asked.holds(row) == Some(true))
    }

    /// The ids of the whole set in its order.
    fn expected(&self) -> Vec<i64> {
        let mut rows: Vec<&Row> = self.rows.iter().filter(|row| self.matches(row)).collect();
        if let Some((column, is_descending)) = self.order {
            let directed = |order: Ordering| if is_descending { order.reverse() } else { order };
            rows.sort_by(|one, other| match column {
                "n" => match (one.n, other.n) {
                    (Some(one), Some(other)) => directed(one.cmp(&other)),
                    (one, other) => one.is_none().cmp(&other.is_none()),
                },
                _ => match (one.name, other.name) {
                    (Some(one), Some(other)) => directed(one.cmp(other)),
                    (one, other) => one.is_none().cmp(&other.is_none()),
                },
            });
        }
        rows.into_iter().map(|row| row.id).collect()
    }

    /// Whether rows may come in the order of the values of a list.
    fn may_be_split(&self) -> bool {
        let is_list = |asked: &Asked| match asked {
            Asked::NIn(values, _) | Asked::IdIn(values) => values.len() > 1,
            Asked::Either(..) | Asked::Neither(_) => true,
            _ => false,
        };
        self.api.lists != Lists::Unsent && self.asked.iter().any(is_list)
    }

    async fn check(&self) -> std::result::Result<(), TestCaseError> {
        let server = self.server().start();
        let table = self.table(server.url());
        self.compare(&table, || server.log(|log| log.seen.len())).await
    }

    async fn compare(
        &self,
        table: &Rows,
        requests: impl Fn() -> usize,
    ) -> std::result::Result<(), TestCaseError> {
        let all = self.expected();
        let count = match within(table.get_count()).await {
            // Where everything must be sent, some things cannot be asked for.
            Err(error) if self.api.filtering == Filtering::Server => {
                prop_assert!(error.is_unsupported(), "{error}");
                prop_assert_eq!(requests(), 0);
                return Ok(());
            }
            count => count.map_err(|error| fail(&error))?,
        };
        prop_assert_eq!(count, all.len() as i64);

        let list = |rows: indexmap::IndexMap<String, _>| -> Vec<i64> {
            rows.into_keys().map(|key: String| key.parse().unwrap()).collect()
        };
        let read = match within(table.list_values()).await {
            Err(error) if self.api.filtering == Filtering::Server => {
                prop_assert!(error.is_unsupported(), "{error}");
                return Ok(());
            }
            read => list(read.map_err(|error| fail(&error))?),
        };
        // Rows of several requests that are equal in the order may come in any.
        let is_ordered = self.order.is_some() && self.api.sorts != Sorts::Separate;
        let is_in_order = is_ordered || !self.may_be_split();
        prop_assert_eq!(sorted(&read), sorted(&all));
        if is_in_order {
            prop_assert_eq!(&read, &all);
        }
        let some = within(table.get_some_value()).await.map_err(|error| fail(&error))?;
        let some = some.map(|(key, _)| key.parse::<i64>().unwrap());
        prop_assert_eq!(some, read.first().copied());

        if let Some((offset, limit)) = self.window {
            let window =
                within(table.list_window(offset, limit)).await.map_err(|error| fail(&error))?;
            let expected: Vec<i64> =
                read.iter().copied().skip(offset as usize).take(limit as usize).collect();
            prop_assert_eq!(list(window), expected);
        }
        let found =
            within(table.get_value(self.id.to_string())).await.map_err(|error| fail(&error))?;
        prop_assert_eq!(found.is_some(), all.contains(&self.id));
        Ok(())
    }
}

fn sorted(ids: &[i64]) -> Vec<i64> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids
}

fn fail(error: &VantageError) -> TestCaseError {
    TestCaseError::fail(format!("{error} {:?}", error.context))
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(180), work).await.expect("no wait lasts for ever")
}

const NAMES: [&str; 8] = ["ada", "Adam", "b&c=d", "eve, x", "x+y", "Ærø", "100%_名", ""];

fn asked() -> impl Strategy<Value = Asked> {
    let operators = || select(vec!["=", "<>", ">", ">=", "<", "<="]);
    let leaf = prop_oneof![
        (operators(), 0..6_i64).prop_map(|(operator, than)| Asked::N(operator, than)),
        (operators(), select(&NAMES[..])).prop_map(|(operator, than)| Asked::Name(operator, than)),
        (select(vec!["contains", "starts"]), select(vec!["a", "AD", "x", "&", "æR", "%"]))
            .prop_map(|(how, part)| Asked::Name(how, part)),
        (prop::collection::vec(0..6_i64, 0..4), any::<bool>())
            .prop_map(|(values, negated)| Asked::NIn(values, negated)),
        prop::collection::vec(0..40_i64, 1..6).prop_map(Asked::IdIn),
        any::<bool>().prop_map(Asked::NIsNull),
    ];
    leaf.prop_recursive(2, 4, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone())
                .prop_map(|(one, other)| Asked::Either(Box::new(one), Box::new(other))),
            inner.prop_map(|of| Asked::Neither(Box::new(of))),
        ]
    })
}

fn api() -> impl Strategy<Value = Api> {
    let lists = vec![Lists::Unsent, Lists::Joined, Lists::Requests];
    let sorts = vec![Sorts::Never, Sorts::Prefixed, Sorts::Suffixed, Sorts::Separate];
    let filtering = vec![Filtering::Mixed, Filtering::Checked, Filtering::Local, Filtering::Server];
    let shapes = vec![Shape::Data, Shape::Bare, Shape::Table, Shape::At("result.rows")];
    let totals = vec![Total::InPagination, Total::InHeader("x-total-count"), Total::Absent];
    let of_asking = (
        select(vec![Dialect::Equality, Dialect::Plural, Dialect::Suffixes, Dialect::Brackets]),
        select(sorts),
        select(lists),
        1..4_usize,
        select(filtering),
        any::<bool>(),
    );
    let styles = vec![
        Style::Numbered,
        Style::Offset,
        Style::Cursor("next"),
        Style::Header("x-next"),
        Style::NextUrl("links.next", Form::Query),
        Style::Link(Form::Absolute),
    ];
    let of_paging = (
        select(shapes),
        select(styles),
        select(totals),
        1..12_u64,
        proptest::option::of(1..15_u64),
        0..2_u64,
        any::<bool>(),
        1..4_usize,
        any::<bool>(),
    );
    (of_asking, of_paging).prop_map(|(asking, paging)| {
        let (dialect, sorts, lists, most, filtering, ignores_filters) = asking;
        let (shape, style, total, cap, size, first_page, items, prefetch, posts) = paging;
        // A bare list has no place for what comes next.
        let style = match (shape, style) {
            (Shape::Bare, Style::Cursor(_) | Style::NextUrl(..)) => Style::Link(Form::Query),
            (_, style) => style,
        };
        // A repeated parameter is how this server takes lists in its plain dialect.
        let lists = match (dialect, lists) {
            (Dialect::Equality | Dialect::Plural, Lists::Joined) => Lists::Repeated,
            // In this one a comma in a value makes a list of it.
            (Dialect::Brackets, _) => Lists::Joined,
            (_, lists) => lists,
        };
        let ignores_filters =
            ignores_filters && filtering != Filtering::Server && filtering != Filtering::Mixed;
        Api {
            dialect,
            sorts,
            lists,
            most,
            filtering,
            ignores_filters,
            shape,
            style,
            total,
            cap,
            size,
            first_page,
            items,
            prefetch,
            posts,
        }
    })
}

fn case() -> impl Strategy<Value = Case> {
    let row = (
        proptest::option::weighted(0.8, 0..6_i64),
        proptest::option::weighted(0.8, select(&NAMES[..])),
    );
    (
        prop::collection::vec(row, 0..40),
        prop::collection::vec(asked(), 0..3),
        proptest::option::of((select(vec!["n", "name"]), any::<bool>())),
        proptest::option::of((0..30_u64, 0..20_u64)),
        proptest::option::weighted(0.2, select(vec!["a", "x"])),
        0..40_i64,
        api(),
    )
        .prop_map(|(rows, asked, order, window, search, id, api)| Case {
            rows: (0..).zip(rows).map(|(id, (n, name))| Row { id, n, name }).collect(),
            asked,
            order,
            window,
            search,
            id,
            api,
        })
}

#[test]
fn a_random_query_reads_what_the_same_query_finds_in_memory() {
    of_cases(CASES, &case(), async |case| case.check().await);
}

/// A query of an API that only pages, in some way of the battery.
#[derive(Clone, Debug)]
struct Paged {
    case: Case,
    way: Index,
    cap: usize,
    size: usize,
    /// By which replies come in another order.
    seed: u64,
    /// Which requests fail.
    fails: Vec<usize>,
}

impl Paged {
    /// The case as it is asked of such an API: all is evaluated here.
    fn local(&self) -> Case {
        let api = Api {
            sorts: if self.case.api.sorts == Sorts::Separate {
                Sorts::Separate
            } else {
                Sorts::Never
            },
            lists: Lists::Unsent,
            filtering: Filtering::Local,
            ..self.case.api.clone()
        };
        Case { search: None, api, ..self.case.clone() }
    }

    async fn check(&self, way: &Way) -> std::result::Result<(), TestCaseError> {
        let case = self.local();
        let cap = if way.has_ties { self.cap.max(3) } else { self.cap };
        let size = if way.has_ties { cap } else { self.size };
        // One page that says nothing about another is no evidence.
        if way.is_decided && case.rows.len() <= cap {
            return Ok(());
        }
        let row = |row: &Row| {
            let at = format!("2024-01-01T00:00:{:02}Z", row.id / 2);
            json!({ "id": row.id, "n": row.n, "name": row.name, "at": at })
        };
        let rows = case.rows.iter().map(row).collect();
        let (fails, mut requests) = (self.fails.clone(), 0);
        let server =
            way.plan_of(rows, cap).holding(Hold::Some(self.seed)).breaking(move |asked, _| {
                requests += 1;
                let fails = fails.contains(&requests) && !makes_a_job(asked);
                if fails { Fate::Cut } else { Fate::Whole }
            });
        let server = server.start();
        let (paging, envelope) = way.settings(size);
        let source = PoolApi::new(pool(&server.url()))
            .sorting(Sorting::none().on_rows(true))
            .filtering(case.api.filtering)
            .paging(paging)
            .envelope(envelope)
            .item_endpoints(false)
            .prefetch(case.api.prefetch);
        let compared = case.compare(&case.query(source), || 0).await;
        compared.map_err(|error| TestCaseError::fail(format!("{}: {error}", way.name)))
    }
}

/// A request that may have made a job is not sent again.
fn makes_a_job(asked: &crate::battery::Asked) -> bool {
    asked.method == "POST" && asked.path == "/rows"
}

#[test]
fn a_random_query_reads_the_same_however_the_api_pages() {
    let ways = ways();
    let fails = prop::collection::vec(1..30_usize, 0..4);
    let paged = (case(), any::<Index>(), 1..9_usize, 1..9_usize, any::<u64>(), fails);
    let paged = paged.prop_map(|(case, way, cap, size, seed, fails)| Paged {
        case,
        way,
        cap,
        size,
        seed,
        fails,
    });
    of_cases(CASES, &paged, async |paged| {
        let way = paged.way.get(&ways);
        paged.check(way).await
    });
}
