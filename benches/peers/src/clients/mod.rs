//! The clients that are compared. Each does the same job in a process of its own.

pub mod awc;
mod floor;
pub mod forerunners;
pub mod hyper;
pub mod pool;
mod reqwest;

use kit::{
    body,
    job::{Job, Outcome},
};

/// A client and what it builds of each item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Client {
    /// This pool, items as JSON values, page by page.
    PoolValues,
    /// This pool, items as JSON values, one by one.
    PoolPages,
    /// This pool, items as JSON values, each page taken apart and consumed by a task of its own.
    PoolTasks,
    /// This pool, single calls with `buffered`, the body decoded by the caller as in `awc-inline`.
    PoolCalls,
    /// This pool, items as a struct.
    PoolTyped,
    /// This pool as a Vantage source, `Table::stream_values`.
    PoolRecordsStream,
    /// This pool as a Vantage source, `Table::list_values`: holds the whole set.
    PoolRecordsList,
    /// vantage-api-client: a window for each page, in flight by hand.
    #[value(name = "vantage-api-client")]
    Vantage,
    /// vantage-api-pool 0.6.4, given requests that its caller builds.
    OldPool,
    /// vantage-api-pool 0.6.4 as it was meant to be used: its `PaginatedStream`.
    OldPoolStream,
    /// reqwest and `buffered`, the body as a JSON tree.
    ReqwestValues,
    /// reqwest and `buffered`, the body as a struct.
    ReqwestTyped,
    /// hyper-util and `buffered`, the body as a JSON tree.
    HyperValues,
    /// hyper-util and `buffered`, the body as a struct.
    HyperTyped,
    /// awc and `buffered`, the body as a JSON tree.
    AwcValues,
    /// awc and `buffered`, the envelope in one pass into values, as the pool does it.
    AwcInline,
    /// Sockets by hand, the body thrown away.
    Floor,
}

impl Client {
    /// Those that a run compares unless told otherwise.
    pub const DEFAULT: [Client; 15] = [
        Client::PoolValues,
        Client::PoolPages,
        Client::PoolCalls,
        Client::PoolTyped,
        Client::PoolRecordsStream,
        Client::PoolRecordsList,
        Client::Vantage,
        Client::OldPool,
        Client::ReqwestValues,
        Client::ReqwestTyped,
        Client::HyperValues,
        Client::HyperTyped,
        Client::AwcValues,
        Client::AwcInline,
        Client::Floor,
    ];

    /// The pool doing the same: what a ratio is taken to.
    pub fn reference(self) -> Client {
        match self {
            Self::PoolTyped | Self::ReqwestTyped | Self::HyperTyped => Self::PoolTyped,
            Self::PoolRecordsStream | Self::PoolRecordsList | Self::Vantage => {
                Self::PoolRecordsStream
            }
            _ => Self::PoolValues,
        }
    }

    /// At most this many pages, for clients that hold the set or take long.
    pub fn page_limit(self) -> u64 {
        match self {
            Self::PoolRecordsList => 500,
            Self::OldPoolStream => 50,
            _ => u64::MAX,
        }
    }

    /// Whether it is in the program of its own.
    pub fn is_forerunner(self) -> bool {
        matches!(self, Self::Vantage | Self::OldPool | Self::OldPoolStream)
    }

    /// Whether it looks at the items at all.
    pub fn reads_items(self) -> bool {
        self != Self::Floor
    }

    pub fn run(self, job: &Job) -> anyhow::Result<Outcome> {
        match self {
            Self::PoolValues => pool::values(job),
            Self::PoolPages => pool::pages(job),
            Self::PoolTasks => pool::tasks(job),
            Self::PoolCalls => pool::calls(job),
            Self::PoolTyped => pool::typed(job),
            Self::PoolRecordsStream => pool::records_stream(job),
            Self::PoolRecordsList => pool::records_list(job),
            Self::Vantage => forerunners::run("vantage-api-client", job),
            Self::OldPool => forerunners::run("old-pool", job),
            Self::OldPoolStream => forerunners::run("old-pool-stream", job),
            Self::ReqwestValues => reqwest::run::<body::Tree>(job),
            Self::ReqwestTyped => reqwest::run::<body::Typed>(job),
            Self::HyperValues => hyper::run::<body::Tree>(job),
            Self::HyperTyped => hyper::run::<body::Typed>(job),
            Self::AwcValues => awc::run::<body::Tree>(job),
            Self::AwcInline => awc::run::<body::Values>(job),
            Self::Floor => floor::run(job),
        }
    }
}

/// Runs on one thread.
pub fn on_tokio_thread<T>(task: impl Future<Output = T>) -> anyhow::Result<T> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(task))
}
